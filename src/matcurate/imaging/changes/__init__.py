"""Changes of a labelled micrograph that instruments and journals make, to measure how much of them a method stands."""

from matcurate.imaging.changes.change import Change
from matcurate.imaging.changes.registry import CHANGES, apply_change, change_named, changes_named

__all__ = ["CHANGES", "Change", "apply_change", "change_named", "changes_named"]
