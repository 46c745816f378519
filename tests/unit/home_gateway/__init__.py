"""Tests of the simulated home gateway itself, with datagrams written by hand."""
