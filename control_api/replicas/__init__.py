"""Makes several API processes act as one: which of them writes, how others forward to it, and repeated requests."""
