"""Segmentation without training data: MatSAM and the classical baselines."""
