"""What exactly-once routing does differently: copies and the events' offsets are committed in one transaction."""
