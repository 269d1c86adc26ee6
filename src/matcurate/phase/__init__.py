"""Learning from corrections: LoRA, the Phase Learning Module, training, and what a trained adapter is worth."""
