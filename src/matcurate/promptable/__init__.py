"""Segmenters that answer prompts, in SAM's interface, and where their weights come from."""
