"""MatSAM (Li et al. 2024): prompts from the micrograph, masks from a promptable backbone."""
