"""Accounts, subaccounts, auth tokens and API keys: for the accounts themselves, for their owners, for the operator."""
