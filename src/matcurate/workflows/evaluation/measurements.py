"""Scores of a model version on golden sets of all labs: in its tags, and in its exports."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from datetime import UTC, datetime

from pydantic import AwareDatetime, Field, ValidationError

from matcurate.config import Strict, first_problem
from matcurate.errors import TrackingError
from matcurate.tracking.registry import RegisteredVersion
from matcurate.tracking.version_tags import VersionTags
from matcurate.workflows.evaluation.evaluate import Evaluation

SHA256 = r"^[0-9a-f]{64}$"
LINE = r"^[^\x00-\x1f\x7f-\x9f]{1,200}$"
"""One line of text that a terminal shows as it is."""


class Measurement(Strict):
    """A version's means on one golden set, which stays in the lab that has it."""

    lab: str = Field(pattern=LINE, description="Whose golden set.")
    golden: str = Field(pattern=SHA256, description="Digest of the golden set.")
    images: int = Field(ge=1)
    dice: float = Field(ge=0, le=1)
    iou: float | None = Field(default=None, ge=0, le=1)
    fraction_error: float = Field(ge=0, le=1)
    boundary_f1: float | None = Field(default=None, ge=0, le=1)
    at: AwareDatetime

    @property
    def column(self) -> str:
        """Name of the golden set for people: lab and first digits of the digest."""
        return f"{self.lab} {self.golden[:8]}"


def measurement(evaluation: Evaluation, lab: str, at: datetime | None = None) -> Measurement:
    """Means of an evaluation on a lab's golden set.

    Raises ValueError when no phase occurs anywhere, so that there is no Dice.
    """
    overall = asdict(evaluation.overall)
    return Measurement(lab=lab, golden=evaluation.golden, at=at or datetime.now(UTC), **overall)


def as_tags(measured: Iterable[Measurement]) -> VersionTags:
    """Tags of a model version that hold measurements."""
    return VersionTags(measured={one.golden: one.model_dump_json() for one in measured})


def measurements(version: RegisteredVersion) -> dict[str, Measurement]:
    """Read the measurements of a version, by digest of the golden set.

    Versions from before these tags have their lab's golden set in ``golden`` and ``golden_*``, to four digits. Raises
    TrackingError when a tag was changed by hand to something else.
    """
    measured: dict[str, Measurement] = {}
    try:
        if (older := _older(version)) is not None:
            measured[older.golden] = older
        for value in version.tags.measured.values():
            one = Measurement.model_validate_json(value)
            measured[one.golden] = one
    except ValidationError as error:
        raise TrackingError(
            f"{version.name} has a damaged measurement in MLflow ({first_problem(error)}); delete its tags "
            "'golden*' or 'measured.*' that were changed and measure again"
        ) from error
    return measured


def _older(version: RegisteredVersion) -> Measurement | None:
    tags = version.tags
    if tags.golden is None or "dice" not in tags.golden_means:
        return None
    names = ("images", "dice", "iou", "fraction_error", "boundary_f1")
    means = {name: float(value) for name, value in tags.golden_means.items() if name in names}
    return Measurement.model_validate({"lab": tags.lab or "", "golden": tags.golden, "at": version.created_at, **means})
