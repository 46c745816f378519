"""Which families reach the gateway, from what the kernel says."""
