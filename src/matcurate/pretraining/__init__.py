"""Training of the built-in network: labelled pictures, their augmentation, losses, the run and its recipe."""
