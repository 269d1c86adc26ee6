"""The whole loop on generated micrographs, with a simulated expert."""
