"""The HTTP gateway: accepts events by POST, from any language, and answers once the broker has acknowledged them."""
