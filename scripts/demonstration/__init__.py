"""The demo: a simulated home gateway, a real Home Assistant, and calls between them."""
