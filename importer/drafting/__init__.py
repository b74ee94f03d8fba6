"""A first mapping for a file."""
