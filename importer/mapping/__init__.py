"""From a YAML mapping to column programs, bound to one sheet."""
