"""Corrections → frozen snapshots and the golden set."""

from .samples import CorrectedMicrograph as CorrectedMicrograph
from .samples import exact_ratios as exact_ratios
from .samples import golden_samples as golden_samples
from .samples import snapshot_samples as snapshot_samples
from .snapshot import GoldenSet as GoldenSet
from .snapshot import SnapshotReport as SnapshotReport
from .snapshot import golden_set as golden_set
from .snapshot import newest_usable as newest_usable
from .snapshot import refuse_leaks as refuse_leaks
from .snapshot import take_snapshot as take_snapshot
