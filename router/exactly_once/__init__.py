"""What differs where copies, and how far events are read, are committed as one transaction."""
