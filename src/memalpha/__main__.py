"""`python -m memalpha` is the command line."""

from memalpha.cli import main

if __name__ == "__main__":
    main()
