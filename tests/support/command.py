"""The type of the fixture that runs a command line."""

from collections.abc import Callable

Cli = Callable[..., int]
"""Takes a command's words, of whatever type; gives the exit code."""
