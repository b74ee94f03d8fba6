"""A local Add record service, so that everything can be tried without an account."""
