"""The stories, one module a product: each exports ``PRODUCT``. docs/adding-an-event-type.md shows how to write one."""
