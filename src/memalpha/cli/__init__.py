"""The command line: parse, import late, call. Errors of this package end with one sentence and exit status 2."""

from memalpha.cli.app import app, main

__all__ = ["app", "main"]
