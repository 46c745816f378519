"""Tests of SIP messages, digest and SDP."""
