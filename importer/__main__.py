"""Entry point of ``vcc-import`` and of ``python -m importer``."""

import sys


def main() -> None:
    """Run the command line and exit with its code."""
    from importer.cli.signals import SIGNALS

    SIGNALS.take_over()
    try:
        from importer.cli.main import run_cli

        code = run_cli()
    finally:
        SIGNALS.ignore()
    sys.exit(code)


if __name__ == "__main__":
    main()
