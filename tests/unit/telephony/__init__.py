"""The bones of the telephony package."""
