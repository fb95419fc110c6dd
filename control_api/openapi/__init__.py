"""The API's own description: OpenAPI 3.1, and a page of it to read."""
