"""From a YAML mapping to a compiled plan of column programs."""
