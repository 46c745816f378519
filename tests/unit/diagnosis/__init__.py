"""What failed: a table of cases."""
