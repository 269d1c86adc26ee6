"""Benchmarks of methods on folders of images with masks."""
