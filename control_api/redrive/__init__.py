"""Dead letters, and the jobs that put events on a subscription's topic again: redrives and replays."""
