"""What the catalog takes and hands out about microstructure classes: frozen values, free of any session."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Box:
    """Part of a micrograph: first row, first column and extent in pixels."""

    top: int
    left: int
    height: int
    width: int

    def __post_init__(self) -> None:
        if min(self.top, self.left) < 0 or min(self.height, self.width) < 1:
            raise ValueError(f"a box lies at 0 or more and has an extent, got {self}")

    def within(self, shape: tuple[int, int]) -> bool:
        """Whether the box lies in an image (H, W)."""
        return self.top + self.height <= shape[0] and self.left + self.width <= shape[1]


@dataclass(frozen=True, slots=True)
class RegionRecord:
    """A region of one texture: a box that lies in it, and the share in (0, 1] of the micrograph that it covers."""

    box: Box
    share: float


@dataclass(frozen=True, slots=True)
class ClassRecord:
    """A microstructure class.

    Parameters
    ----------
    id, project_id : int
        Catalog ids.
    name : str
        As the expert called it.
    channel : int, optional
        Output of the head, from 0; None when it was merged into another class.
    named_by, named_at : str, datetime
        Who named it first, and when.
    merged_into : str, optional
        The class that has its micrographs now, at the end of a chain of mergers.
    """

    id: int
    project_id: int
    name: str
    channel: int | None
    named_by: str
    named_at: datetime
    merged_into: str | None


@dataclass(frozen=True, slots=True)
class MemberRecord:
    """A box of a micrograph that shows a class: ``class_name`` as it is called now, ``named_as`` as it was named."""

    micrograph_id: int
    box: Box
    class_name: str
    named_as: str
    named_by: str
    named_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class NewClassHead:
    """A trained state of a project's head.

    Parameters
    ----------
    object_key : str
        Its file in the object store.
    model : str
        How crops are looked at: ``embedding`` or a network's name.
    embedder_sha256 : str
        What makes the embeddings it takes.
    crop : int
        Edge of its crops in pixels.
    classes : tuple of str
        In the order of its outputs.
    threshold : float
        Vacuity in (0, 1] of an image above which it may be a new class.
    seed : int
        Of its training.
    why, made_by : str
        What was named or merged, and by whom.
    """

    object_key: str
    model: str
    embedder_sha256: str
    crop: int
    classes: tuple[str, ...]
    threshold: float
    seed: int
    why: str
    made_by: str

    def __post_init__(self) -> None:
        if not 0 < self.threshold <= 1 or math.isnan(self.threshold):
            raise ValueError(f"a threshold of vacuity lies in (0, 1], got {self.threshold}")


@dataclass(frozen=True, slots=True)
class ClassHeadRecord:
    """A stored head; ``number`` counts a project's heads from 1, the other fields are :class:`NewClassHead`'s."""

    number: int
    object_key: str
    model: str
    embedder_sha256: str
    crop: int
    classes: tuple[str, ...]
    threshold: float
    seed: int
    why: str
    made_by: str
    made_at: datetime
