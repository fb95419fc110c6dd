"""How large an installation has to be for so many events a second: a calculation from what was measured."""
