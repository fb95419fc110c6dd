"""Whether an installation works, seen from outside: subscribe, publish, receive, clear up."""
