"""Tests of the integration, its telephony package, and its engine."""
