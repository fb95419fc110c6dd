"""A module for each product, with a class for each of its event types. All but this one are generated."""
