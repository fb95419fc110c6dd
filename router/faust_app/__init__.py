"""The Faust app: how events are fetched in runs, and acknowledged once their copies are made."""
