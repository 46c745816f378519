"""Tests of the native back end's signalling."""
