"""Several API processes as one: which of them writes, how the others reach it, what a repeated request is answered."""
