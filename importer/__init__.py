"""Bulk importer for call-centre lead lists: spreadsheets in, Add record calls out."""

__version__ = "0.1.0"

__all__ = ["__version__"]
