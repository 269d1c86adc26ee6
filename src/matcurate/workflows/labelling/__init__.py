"""Predictions → Label Studio, corrections → the catalog."""
