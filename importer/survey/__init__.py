"""What is known of the whole file before the first row leaves."""
