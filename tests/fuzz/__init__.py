"""What parses a datagram, under inputs that nobody would send."""
