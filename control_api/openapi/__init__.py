"""The API's own description: an OpenAPI 3.1 document, and an HTML page made from it."""
