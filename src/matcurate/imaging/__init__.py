"""Micrographs in and out: reading, calibration, proxies, label images, synthetic microstructures."""
