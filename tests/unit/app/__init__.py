"""The app for Home Assistant OS: what Docker and the Supervisor will make of it."""
