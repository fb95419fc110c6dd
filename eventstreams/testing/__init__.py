"""What tests of plugins and installations need: a broker, receivers, and values for every schema."""
