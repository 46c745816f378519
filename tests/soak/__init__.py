"""What months of use leave behind: thousands of calls, days of registration."""
