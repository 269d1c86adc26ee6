"""Corrections → frozen snapshots and the golden set."""
