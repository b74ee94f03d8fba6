"""Unattended work: jobs, their ledger, and the guards against the ways nightly imports go wrong."""
