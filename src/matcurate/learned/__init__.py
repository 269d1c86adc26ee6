"""Science that joins phase models, uncertainty and promptable backbones: features, evidence maps, class networks."""
