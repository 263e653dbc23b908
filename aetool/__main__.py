"""`python -m aetool`."""

from aetool.cli.app import main

if __name__ == "__main__":
    main()
