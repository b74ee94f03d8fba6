"""The journal: what was promised and what became of it."""
