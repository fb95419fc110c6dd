#!/bin/sh
# Finds a Python that is new enough and lets it do the rest. Usage: setup.sh [PYTHON]
set -eu

new_enough='import sys; sys.exit(sys.version_info < (3, 11))'

for python in ${1:+"$1"} python3 python3.14 python3.13 python3.12 python3.11 python; do
    if "$python" -c "$new_enough" >/dev/null 2>&1; then
        exec "$python" tools/setup.py
    fi
    if [ "$python" = "${1:-}" ]; then
        echo "setup: $1 is no working Python 3.11 or newer: name another one with make PYTHON=..." >&2
        exit 3
    fi
done
echo "setup: there is no Python 3.11 or newer on the PATH: install one, or name it with make PYTHON=..." >&2
exit 3
