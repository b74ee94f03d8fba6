"""The one place that knows click: it parses, calls, prints and turns exceptions into exit codes."""
