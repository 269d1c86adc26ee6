"""Uncertainty of models: Dirichlet evidence, its loss and heads, novelty, calibration."""
