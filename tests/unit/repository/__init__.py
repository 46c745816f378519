"""Tests of the repository itself: its walls, its metadata, its documents."""
