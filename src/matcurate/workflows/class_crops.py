"""Crops of micrographs for microstructure classes, and their embeddings, which are computed once and kept."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from matcurate.catalog.class_records import Box
from matcurate.catalog.classes import embedding_key, store_embedding
from matcurate.catalog.records import MicrographRecord
from matcurate.config import ClassSettings
from matcurate.errors import ConfigError
from matcurate.types import FloatArray, Pixels
from matcurate.uncertainty.embedding import Embedder
from matcurate.workflows.bench_folders import learning_backbone
from matcurate.workflows.embedders import embedder_of
from matcurate.workflows.presegment import load_original
from matcurate.workflows.scoring import load_embedding, put_embedding
from matcurate.workflows.workspace import Workspace

SMALLEST = 32
"""Least edge of a crop in pixels: the encoder halves it four times."""


def whole(micrograph: MicrographRecord) -> Box:
    """All of a micrograph."""
    return Box(0, 0, micrograph.height, micrograph.width)


def crop_boxes(box: Box, settings: ClassSettings) -> tuple[Box, ...]:
    """Squares on a grid in a box, row by row: as many as lie side by side, but no more than ``per_edge`` along an edge.

    A box smaller than a crop has crops of its shorter edge.

    Raises
    ------
    ConfigError
        When the box is too small for any.
    """
    edge = min(settings.crop, box.height, box.width)
    if edge < SMALLEST:
        raise ConfigError(f"{box.width} x {box.height} pixels are too few to show a class; {SMALLEST} are needed")
    rows, columns = (_spread(length, edge, settings.per_edge) for length in (box.height, box.width))
    return tuple(Box(box.top + row, box.left + column, edge, edge) for row in rows for column in columns)


def cut(pixels: Pixels, box: Box) -> Pixels:
    """The part (h, w) of pixels (H, W) that a box holds."""
    return pixels[box.top : box.top + box.height, box.left : box.left + box.width]


@dataclass(frozen=True, slots=True, eq=False)
class CropEmbeddings:
    """Embeddings of the crops of a project's micrographs, kept in the object store.

    Parameters
    ----------
    workspace : Workspace
        The open installation.
    embedder : Embedder
        What makes them.
    """

    workspace: Workspace
    embedder: Embedder

    def __call__(self, micrograph: MicrographRecord, box: Box) -> FloatArray:
        """Embeddings (N, D) of the crops :func:`crop_boxes` of a box.

        Raises
        ------
        ConfigError
            When the box is too small, or the backbone has no features.
        UnreadableImageError
            When the stored original cannot be read.
        """
        chosen = self.workspace.settings.classes
        places, asked = crop_boxes(box, chosen), (micrograph.id, self._digest(chosen), chosen.crop, box)
        with self.workspace.reading() as session:
            key = embedding_key(session, *asked)
        if key is not None:
            return load_embedding(self.workspace, key)
        pixels = load_original(self.workspace, micrograph).pixels
        found = self.embedder(np.stack([cut(pixels, place) for place in places])).astype(np.float32)
        key = put_embedding(self.workspace, found)
        with self.workspace.writing() as session:
            store_embedding(session, *asked, key)
        return found

    def _digest(self, chosen: ClassSettings) -> str:
        """Of the embedder and the density of the grid, which decides what crops there are."""
        return f"{self.embedder.digest}-{chosen.per_edge}"


def open_embeddings(workspace: Workspace) -> CropEmbeddings:
    """Embeddings by the backbone of the settings, where ``auto`` stands for the built-in network.

    Raises
    ------
    CheckpointError
        When the backbone's checkpoint is not at hand.
    """
    return CropEmbeddings(workspace, embedder_of(learning_backbone(None, workspace.settings)))


def _spread(length: int, edge: int, most: int) -> list[int]:
    """First pixels of crops spread evenly over a length, from its first to its last pixel; one lies in the middle."""
    count = min(length // edge, most)
    if count == 1:
        return [(length - edge) // 2]
    return [round(place * (length - edge) / (count - 1)) for place in range(count)]
