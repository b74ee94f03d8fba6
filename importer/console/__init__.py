"""The console: one local web page for people who use no terminal, on the same library."""
