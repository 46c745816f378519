"""The engine: a process of its own that speaks SIP, and the client that runs it."""
