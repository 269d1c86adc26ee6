"""Component-tree predictor: SAM's interface without weights (docs/methods/tree.md)."""

from matcurate.promptable.tree.predictor import TreeBackbone, TreePredictor
from matcurate.promptable.tree.settings import TreeSettings

__all__ = ["TreeBackbone", "TreePredictor", "TreeSettings"]
