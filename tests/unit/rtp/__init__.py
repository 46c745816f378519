"""RTP: packets, playout, pacing, sessions."""
