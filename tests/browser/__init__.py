"""Home Assistant as a person uses it: in a browser, in both languages."""
