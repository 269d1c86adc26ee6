"""What a microscope writes about a recording, where the file states it."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime

from matcurate.imaging.calibration import number


@dataclass(frozen=True, slots=True)
class Acquisition:
    """How an image was recorded; None where the file does not state it. Numbers are positive.

    ``magnification`` is as the microscope displays it; ``acquired_at`` ISO 8601 text, with a time zone only where one
    is stated; ``image_rows`` the rows of the image itself, from the top, without the data bar below it.
    """

    instrument: str | None = None
    detector: str | None = None
    voltage_kv: float | None = None
    magnification: float | None = None
    working_distance_mm: float | None = None
    acquired_at: str | None = None
    image_rows: int | None = None

    def __post_init__(self) -> None:
        for name in ("voltage_kv", "magnification", "working_distance_mm", "image_rows"):
            value = getattr(self, name)
            if value is not None and not 0 < value < float("inf"):  # also refuses NaN
                raise ValueError(f"{name} must be positive and finite, got {value}")
        for name in ("instrument", "detector", "acquired_at"):
            if getattr(self, name) == "":
                raise ValueError(f"{name} must be None or a text, not empty")

    def completed(self, other: "Acquisition") -> "Acquisition":
        """Return this record with its gaps filled from ``other``."""
        own = {field.name: getattr(self, field.name) for field in fields(self)}
        return Acquisition(**{name: getattr(other, name) if value is None else value for name, value in own.items()})


def stated(
    *,
    instrument: object = None,
    detector: object = None,
    voltage_kv: object = None,
    magnification: object = None,
    working_distance_mm: object = None,
    acquired_at: str | None = None,
    image_rows: object = None,
    height: int | None = None,
) -> Acquisition:
    """Make a record from the raw fields of a file; what is empty, no number or not positive counts as not stated.

    So do rows of the image beyond its height, where that is given.
    """
    rows = _positive(image_rows)
    return Acquisition(
        instrument=_text(instrument),
        detector=_text(detector),
        voltage_kv=_positive(voltage_kv),
        magnification=_positive(magnification),
        working_distance_mm=_positive(working_distance_mm),
        acquired_at=acquired_at or None,
        image_rows=None if rows is None or rows < 1 or rows > (height or rows) else int(rows),
    )


def scaled(value: object, factor: float) -> float | None:
    """A number of a file times ``factor``, to turn V into kV or m into mm; None where it is no number."""
    amount = number(value)
    return None if amount is None else amount * factor


def iso_time(text: str, patterns: Sequence[str]) -> str | None:
    """Date and time as ISO 8601, by the first ``strptime`` pattern that fits; None when none does."""
    for pattern in patterns:
        try:
            return datetime.strptime(text.strip(), pattern).isoformat()
        except ValueError:
            continue
    return None


def _text(value: object) -> str | None:
    text = " ".join(value.replace("\0", " ").split()) if isinstance(value, str) else ""
    return text[:200] if text and text.isprintable() else None


def _positive(value: object) -> float | None:
    amount = number(value)
    return amount if amount is not None and amount > 0 else None


UNKNOWN = Acquisition()
"""The record of a file that states nothing."""
