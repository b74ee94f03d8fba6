"""Entry point of ``vcc-import`` and of ``python -m importer``."""

import gc
import sys

ALLOCATIONS = 50_000
"""Objects allocated before Python's cyclic garbage collector runs; its own choice is 700.

Cells, records and replies hold no cycles. To look for some took an eighth of a check's time, and a
sixth of the time that the imports take. This is the command's choice; the library leaves it alone.
"""


def main() -> None:
    """Run the command line and exit with its code."""
    from importer.cli.signals import SIGNALS

    SIGNALS.take_over()
    gc.set_threshold(ALLOCATIONS)
    try:
        from importer.cli.main import run_cli

        code = run_cli()
    finally:
        SIGNALS.ignore()
    sys.exit(code)


if __name__ == "__main__":
    main()
