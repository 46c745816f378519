"""The engine against real SIP software: Kamailio, baresip and SIPp."""
