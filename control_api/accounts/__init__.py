"""Accounts, subaccounts, auth tokens and API keys: as seen by the accounts, by their owners and by the operator."""
