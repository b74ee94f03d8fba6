"""The line from a file to its results, and what belongs to it."""
