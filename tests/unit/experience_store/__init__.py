"""The store of what calls taught, on a real disk."""
