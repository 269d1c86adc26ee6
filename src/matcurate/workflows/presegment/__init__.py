"""Micrographs → predictions, by MatSAM or by the champion."""
