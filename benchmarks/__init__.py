"""Programs that measure; each prints Markdown. Run from the project's folder: see README.md."""
