"""What every back end needs of SIP: messages, descriptions, the socket, and what they mean."""
