"""What the catalog takes and hands out about microstructure classes: frozen values, free of any session."""

from __future__ import annotations

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
    """A microstructure class, by the expert who named it first.

    ``channel`` is its output of the head, from 0, None when it was merged; ``merged_into`` names the class at the end
    of the chain of mergers, which has its micrographs now.
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
    """A trained state of a project's head, its file in the object store, and why and by whom it was made.

    ``model`` is ``embedding`` or a network's name, ``embedder_sha256`` what makes the embeddings it takes, ``crop`` the
    edge of its crops in pixels, ``classes`` are in the order of its outputs. Above ``threshold``, a vacuity in (0, 1],
    an image may show a new class.
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
        if not 0 < self.threshold <= 1:  # also refuses NaN
            raise ValueError(f"a threshold of vacuity lies in (0, 1], got {self.threshold}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassHeadRecord(NewClassHead):
    """A stored head; ``number`` counts a project's heads from 1."""

    number: int
    made_at: datetime
