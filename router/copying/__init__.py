"""Makes the copies, and sees to it that the brokers have them, around topics that take none."""
