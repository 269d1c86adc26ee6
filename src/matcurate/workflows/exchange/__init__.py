"""Model versions → files for other labs, and back."""
