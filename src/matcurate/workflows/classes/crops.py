"""Crops of micrographs for microstructure classes, and their embeddings, which are computed once and kept.

A micrograph is split into regions of one texture, and its crops lie in the largest rectangle of each.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from matcurate.catalog import (
    Box,
    MicrographRecord,
    RegionRecord,
    embedding_key,
    store_embedding,
    store_regions,
    stored_regions,
)
from matcurate.config import ClassSettings
from matcurate.errors import ConfigError
from matcurate.imaging.crops import padded, spread
from matcurate.imaging.frame import Frame
from matcurate.imaging.ignored import frame_within, looked_at
from matcurate.imaging.proxy import to_float
from matcurate.learned.class_networks import GreyCrops, least_edge
from matcurate.learned.embedders import embedder_of
from matcurate.segmentation.homogeneous import VERSION, texture_regions
from matcurate.types import FloatArray, Pixels
from matcurate.uncertainty.embedding import Embedder
from matcurate.workflows.home import Workspace, learning_backbone, load_counted
from matcurate.workflows.ranking import load_embedding, put_embedding

METHODS = {True: f"texture {VERSION} in the frame", False: "the frame"}
"""Names of splitting micrographs into regions of one texture, and of taking them whole without bars and borders."""
SMALLEST = 32
"""Least edge of a crop in pixels: the encoder halves it four times."""


def whole(micrograph: MicrographRecord) -> Box:
    """All of a micrograph."""
    return Box(0, 0, micrograph.height, micrograph.width)


def box_of(frame: Frame) -> Box:
    """The box of a frame."""
    return Box(frame.top, frame.left, frame.bottom - frame.top, frame.right - frame.left)


def crop_boxes(box: Box, settings: ClassSettings) -> tuple[Box, ...]:
    """Squares on a grid in a box, row by row: as many as lie side by side, but no more than ``per_edge`` along an edge.

    A box smaller than a crop has crops of its shorter edge. Raises ConfigError when the box is too small for any.
    """
    edge = min(settings.crop, box.height, box.width)
    if edge < SMALLEST:
        raise ConfigError(f"{box.width} x {box.height} pixels are too few to show a class; {SMALLEST} are needed")
    sides = (box.height, box.width)
    rows, columns = (spread(length, edge, min(length // edge, settings.per_edge)) for length in sides)
    return tuple(Box(box.top + row, box.left + column, edge, edge) for row in rows for column in columns)


def cut(pixels: Pixels, box: Box) -> Pixels:
    """The part (h, w) of pixels (H, W) that a box holds."""
    return pixels[box.top : box.top + box.height, box.left : box.left + box.width]


@dataclass(frozen=True, slots=True, eq=False)
class CropEmbeddings:
    """Embeddings of the crops of a project's micrographs, kept in the object store."""

    workspace: Workspace
    embedder: Embedder

    def __call__(self, micrograph: MicrographRecord, box: Box) -> FloatArray:
        """Embeddings (N, D) of the crops :meth:`boxes` of a box.

        Raises ConfigError when the box is too small, or the backbone has no features; UnreadableImageError when the
        stored original cannot be read.
        """
        return np.concatenate([self.of_box(micrograph, part) for part in self._parts(micrograph, box)])

    def boxes(self, micrograph: MicrographRecord, box: Box) -> tuple[Box, ...]:
        """Crops of a box: of a whole micrograph those of its regions, one after the other. Errors as above."""
        parts = self._parts(micrograph, box)
        return tuple(crop for part in parts for crop in crop_boxes(part, self.workspace.settings.classes))

    def regions(self, micrograph: MicrographRecord) -> tuple[RegionRecord, ...]:
        """Regions of one texture, the largest first: one that is the whole micrograph where it is not split.

        Raises UnreadableImageError when the stored original cannot be read.
        """
        chosen = self.workspace.settings.classes
        if min(micrograph.shape) < SMALLEST:
            return (RegionRecord(whole(micrograph), 1.0),)
        key = (micrograph.id, f"{METHODS[chosen.regions]}{_counting(micrograph)}", chosen.crop)
        with self.workspace.reading() as session:
            stored = stored_regions(session, *key)
        if stored is not None:
            return stored
        pixels, ignored = load_counted(self.workspace, micrograph)
        frame = frame_within(ignored, pixels.shape)
        regions: tuple[RegionRecord, ...] = (RegionRecord(box_of(frame), 1.0),)
        if chosen.regions:
            parts = texture_regions(looked_at(pixels, ignored), chosen.crop, np.random.default_rng(0))
            regions = tuple(
                RegionRecord(Box(frame.top + part.top, frame.left + part.left, part.height, part.width), part.share)
                for part in parts
            )
        with self.workspace.writing() as session:
            store_regions(session, *key, regions)
        return regions

    def of_box(self, micrograph: MicrographRecord, box: Box) -> FloatArray:
        """Embeddings (N, D) of the crops :func:`crop_boxes` of a box, whatever textures it shows; errors as above."""
        chosen = self.workspace.settings.classes
        digest = f"{self._digest(chosen)}{_counting(micrograph)}"
        key_parts = (micrograph.id, digest, chosen.crop, box)
        with self.workspace.reading() as session:
            key = embedding_key(session, *key_parts)
        if key is not None:
            return load_embedding(self.workspace, key)
        embeddings = self.of_pixels(_pixels(self.workspace, micrograph), box)
        key = put_embedding(self.workspace, embeddings)
        with self.workspace.writing() as session:
            store_embedding(session, *key_parts, key)
        return embeddings

    def of_pixels(self, pixels: Pixels, box: Box) -> FloatArray:
        """Embeddings (N, D) of the crops of a box in an image (H, W); ConfigError when the box is too small."""
        boxes = crop_boxes(box, self.workspace.settings.classes)
        return self.embedder(np.stack([cut(pixels, part) for part in boxes])).astype(np.float32)

    def _parts(self, micrograph: MicrographRecord, box: Box) -> tuple[Box, ...]:
        return tuple(region.box for region in self.regions(micrograph)) if box == whole(micrograph) else (box,)

    def _digest(self, chosen: ClassSettings) -> str:
        """Digest of the embedder and of the density of the grid, which decides what crops there are."""
        return f"{self.embedder.digest}-{chosen.per_edge}"


@dataclass(frozen=True, slots=True, eq=False)
class CropPixels(CropEmbeddings):
    """The crops themselves, for a network: they are cut again each time, and not kept."""

    def of_box(self, micrograph: MicrographRecord, box: Box) -> FloatArray:
        """Grey values (N, crop, crop) in [0, 1] of the crops :func:`crop_boxes` of a box; errors as of embeddings."""
        return self.of_pixels(_pixels(self.workspace, micrograph), box)

    def of_pixels(self, pixels: Pixels, box: Box) -> FloatArray:
        """The same of an image (H, W)."""
        chosen = self.workspace.settings.classes
        boxes, grey = crop_boxes(box, chosen), to_float(pixels)
        return padded(np.stack([cut(grey, part) for part in boxes]), chosen.crop)


def _counting(micrograph: MicrographRecord) -> str:
    """End of the name under which is kept what depends on whether bars count."""
    return "" if micrograph.ignores_bars else ", bars counted"


def _pixels(workspace: Workspace, micrograph: MicrographRecord) -> Pixels:
    """Pixels (H, W) without the scale bars in their frame; the data bar, which no crop shows, is left."""
    pixels, ignored = load_counted(workspace, micrograph)
    if ignored is None:
        return pixels
    clean = pixels.copy()
    clean[frame_within(ignored, pixels.shape).inside] = looked_at(pixels, ignored)
    return clean


def open_embeddings(workspace: Workspace) -> CropEmbeddings:
    """Embeddings by the backbone of the settings, where ``auto`` stands for the built-in network; or crops as they are.

    Raises CheckpointError when the backbone's checkpoint is missing; ConfigError when crops are too small for the
    network of the settings.
    """
    chosen = workspace.settings.classes
    if chosen.model == "head":
        return CropEmbeddings(workspace, embedder_of(learning_backbone(None, workspace.settings)))
    if chosen.crop < least_edge(chosen.model):
        raise ConfigError(
            f"{chosen.model} takes crops of {least_edge(chosen.model)} pixels at least; raise classes.crop"
        )
    return CropPixels(workspace, GreyCrops(chosen.model))
