"""What a model does not know: Dirichlet evidence, its loss and heads, novelty, calibration."""
