"""A webhook receiver for the terminal: shows events, checks signatures, and answers as configured."""
