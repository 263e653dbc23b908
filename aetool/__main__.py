"""The program: `aetool`, or `python -m aetool`."""

import os
import signal
import sys
from typing import NoReturn


def main() -> NoReturn:
    """Entry point; until everything is loaded, Ctrl-C and SIGTERM end the process with their codes and no traceback."""
    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) != signal.SIG_IGN:  # as in the background of a script
            signal.signal(number, lambda number, _frame: os._exit(128 + number))
    try:
        from aetool.cli.app import run
        from aetool.cli.process import main as start
    except (OSError, MemoryError, ImportError) as error:  # under a limit of files or memory, say
        if os.environ.get("AETOOL_DEBUG") == "1":
            raise
        text = (str(error).splitlines() or [type(error).__name__])[0]
        sys.exit(f"aetool: could not start: {text}; AETOOL_DEBUG=1 shows where")
    start(run)


if __name__ == "__main__":
    main()
