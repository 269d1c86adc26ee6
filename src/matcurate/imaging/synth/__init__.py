"""Synthetic micrographs with exact masks: specimens (one module per kind), then the microscope (nuisances)."""
