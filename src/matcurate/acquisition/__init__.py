"""Which images the expert sees next: arrays in, indices out, independent of any model."""
