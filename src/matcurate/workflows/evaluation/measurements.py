"""What a model version scored on golden sets, wherever it was measured: in its tags, and travelling with exports."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pydantic import AwareDatetime, Field, ValidationError

from matcurate.config import Strict, first_problem
from matcurate.errors import TrackingError
from matcurate.tracking.registry import RegisteredVersion

if TYPE_CHECKING:  # it brings torch, which lists of versions need not
    from matcurate.workflows.evaluation.evaluate import Evaluation

TAG = "measured."
"""Before the digest of a golden set in the name of a version's tag."""
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


def measurement(found: Evaluation, lab: str, at: datetime | None = None) -> Measurement:
    """Means of an evaluation on a lab's golden set.

    Raises
    ------
    ValueError
        When no phase occurs anywhere, so that there is no Dice.
    """
    overall = asdict(found.overall)
    return Measurement(lab=lab, golden=found.golden, at=at or datetime.now(UTC), **overall)


def as_tags(measured: Iterable[Measurement]) -> dict[str, str]:
    """Tags of a model version."""
    return {f"{TAG}{each.golden}": each.model_dump_json() for each in measured}


def measurements(version: RegisteredVersion) -> dict[str, Measurement]:
    """What is known of a version, by digest of the golden set.

    Versions from before these tags have their lab's golden set in ``golden`` and ``golden_*``, to four digits.

    Raises
    ------
    TrackingError
        When a tag was changed by hand to something else.
    """
    found: dict[str, Measurement] = {}
    try:
        if (older := _older(version)) is not None:
            found[older.golden] = older
        for key, value in version.tags.items():
            if key.startswith(TAG):
                each = Measurement.model_validate_json(value)
                found[each.golden] = each
    except ValidationError as error:
        raise TrackingError(
            f"{version.name} has a damaged measurement in MLflow ({first_problem(error)}); delete its tags "
            f"'golden*' or '{TAG}*' that were changed and measure again"
        ) from error
    return found


def _older(version: RegisteredVersion) -> Measurement | None:
    tags = version.tags
    if "golden" not in tags or "golden_dice" not in tags:
        return None
    means = {name: tags.get(f"golden_{name}") for name in ("images", "dice", "iou", "fraction_error", "boundary_f1")}
    known = {name: float(value) for name, value in means.items() if value is not None}
    return Measurement.model_validate(
        {"lab": tags.get("lab", ""), "golden": tags["golden"], "at": version.created_at, **known}
    )
