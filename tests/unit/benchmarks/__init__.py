"""The arithmetic and the names of scripts/bench; nothing is measured here."""
