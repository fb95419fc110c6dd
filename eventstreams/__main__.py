"""``python -m eventstreams`` is ``eventstreams``."""

from eventstreams.cli import main

if __name__ == "__main__":
    main()
