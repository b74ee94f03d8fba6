"""From files to batches of text."""
