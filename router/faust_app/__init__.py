"""The Faust app: fetches events in runs, and acknowledges them once their copies are stored."""
