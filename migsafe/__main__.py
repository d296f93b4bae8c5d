"""Run the command line with ``python -m migsafe``."""

from migsafe.cli import main

if __name__ == "__main__":
    main()
