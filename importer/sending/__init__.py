"""Engines that send leased rows, and the coordinator that grants the leases."""
