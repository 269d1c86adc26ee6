"""Which images the expert sees next: arrays in, indices out; no model is known here."""
