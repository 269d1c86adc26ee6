"""What metallographers report about objects, in pixels and in physical units."""
