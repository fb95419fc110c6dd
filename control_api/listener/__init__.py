"""A receiver of webhooks in a terminal: shows what comes, checks its signature, answers as it is told."""
