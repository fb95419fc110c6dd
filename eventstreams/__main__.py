"""``python -m eventstreams`` is ``eventstreams``."""

from eventstreams.cli.main import main

if __name__ == "__main__":
    main()
