"""Real players at the live stream of a call: each plays a tone, and stops with the call."""
