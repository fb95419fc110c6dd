"""The HTTP gateway: events in by POST, for every language; answered once the broker has acknowledged them."""
