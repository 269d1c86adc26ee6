"""Micrographs → classes of materials, known or new."""
