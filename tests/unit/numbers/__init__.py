"""Tests of the numbers as people write them."""
