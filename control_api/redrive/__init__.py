"""Dead letters, and the jobs that put events back on a subscription's topic: redrives and replays."""
