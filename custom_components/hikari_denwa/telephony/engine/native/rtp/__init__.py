"""RTP (RFC 3550): packets, paced sending, playout."""
