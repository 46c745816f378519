"""Install, update and remove in a real Home Assistant, as HACS and the Marketplace do."""
