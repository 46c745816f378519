"""The fuzzer as a command."""
