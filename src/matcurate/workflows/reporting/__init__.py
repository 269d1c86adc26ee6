"""The catalog → one report."""
