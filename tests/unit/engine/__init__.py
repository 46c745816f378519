"""The engine process, its client, and the policy between them, over a scripted back end."""
