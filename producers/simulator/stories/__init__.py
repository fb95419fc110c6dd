"""The stories: one module per product exports ``PRODUCT``. docs/adding-an-event-type.md shows how to write one."""
