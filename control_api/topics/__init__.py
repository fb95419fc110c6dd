"""The life of topics: whose each is, those that belong to nobody, and how many there may be."""
