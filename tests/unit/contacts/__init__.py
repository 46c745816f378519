"""Contacts as data: the index by number, and files."""
