"""The sound of a call: G.711, tones, digits, streams."""
