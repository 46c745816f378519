"""The native back end: SIP and RTP in pure Python."""
