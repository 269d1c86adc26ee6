"""What a microscope writes about a recording, where the file states it."""

from __future__ import annotations

from dataclasses import dataclass, fields


@dataclass(frozen=True, slots=True)
class Acquisition:
    """How an image was recorded; None where the file does not state it.

    Parameters
    ----------
    instrument, detector : str, optional
        Names as the file spells them.
    voltage_kv : float, optional
        Accelerating voltage in kV, positive.
    magnification : float, optional
        As the microscope displays it, positive.
    working_distance_mm : float, optional
        In mm, positive.
    acquired_at : str, optional
        Date and time as ISO 8601 text; a time zone only where one is stated.
    image_rows : int, optional
        Rows of the image itself, from the top, without the data bar below it.
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

    def completed(self, other: Acquisition) -> Acquisition:
        """Return this record with its gaps filled from ``other``."""
        own = {field.name: getattr(self, field.name) for field in fields(self)}
        return Acquisition(**{name: getattr(other, name) if value is None else value for name, value in own.items()})


UNKNOWN = Acquisition()
"""The record of a file that states nothing."""
