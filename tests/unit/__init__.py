"""Tests of logic: no Home Assistant, no network beyond loopback."""
