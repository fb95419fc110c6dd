"""Requests and answers in the reference's format: declared operations, forms, paging, error codes."""
