"""Files → micrographs in the catalog."""
