"""Predictions → what the experts see next."""
