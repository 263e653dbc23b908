"""The program: `aetool`, or `python -m aetool`."""

import os
import signal
from typing import NoReturn


def main() -> NoReturn:
    """Entry point; until everything is loaded, Ctrl-C and SIGTERM end the process with their codes and no traceback."""
    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) != signal.SIG_IGN:  # as in the background of a script
            signal.signal(number, lambda number, _frame: os._exit(128 + number))
    from aetool.cli.app import run
    from aetool.cli.process import main as start

    start(run)


if __name__ == "__main__":
    main()
