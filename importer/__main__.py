"""Entry point of ``vcc-import`` and of ``python -m importer``."""

import sys


def main() -> None:
    """Run the command line and exit with its code."""
    from importer.cli.main import run_cli

    sys.exit(run_cli())


if __name__ == "__main__":
    main()
