"""What ``scripts/bench`` measures; docs/figures.md says what each figure means."""
