"""How cost grows: with the rate, the size of events, batches, copies, receivers' delay, subscriptions and accounts."""
