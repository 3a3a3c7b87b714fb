r"""The command line. Every command imports what it needs when it runs."""

from linvop.cli.app import app, main

__all__ = ["app", "main"]
