"""SIP over UDP (RFC 3261), in layers: messages, transactions, dialogs, user agent."""
