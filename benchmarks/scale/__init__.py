"""How cost grows with the rate, event size, batch size, copies, receivers' delay, subscriptions and accounts."""
