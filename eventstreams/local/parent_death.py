"""``python parent_death.py PARENT COMMAND…`` becomes COMMAND, which the kernel ends with SIGTERM when PARENT dies.

So even a supervisor that is killed leaves no processes behind. Linux only (``prctl``); elsewhere COMMAND just runs.
This is a separate program because in a process with threads nothing but ``exec`` is safe after ``fork``.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1  # <linux/prctl.h>


def main() -> None:
    parent, command = int(sys.argv[1]), sys.argv[2:]
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # it died before we asked
            sys.exit(0)
    os.execvp(command[0], command)  # noqa: S606 - this is what it is for


if __name__ == "__main__":
    main()
