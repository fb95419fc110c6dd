"""Requests and answers in the reference's form: what operations declare, forms, pages, codes."""
