"""Crops of micrographs for microstructure classes, and their embeddings, which are computed once and kept.

A micrograph is parted into regions of one texture, and its crops lie in the largest rectangle of each.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from matcurate.catalog.class_records import Box, RegionRecord
from matcurate.catalog.classes import embedding_key, store_embedding, store_regions, stored_regions
from matcurate.catalog.records import MicrographRecord
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
"""Of parting micrographs into regions of one texture, or of taking them whole, without data bars and borders."""
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

    A box smaller than a crop has crops of its shorter edge.

    Raises
    ------
    ConfigError
        When the box is too small for any.
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
        """Embeddings (N, D) of the crops :meth:`places` of a box.

        Raises
        ------
        ConfigError
            When the box is too small, or the backbone has no features.
        UnreadableImageError
            When the stored original cannot be read.
        """
        return np.concatenate([self.of_box(micrograph, each) for each in self._parts(micrograph, box)])

    def places(self, micrograph: MicrographRecord, box: Box) -> tuple[Box, ...]:
        """Crops of a box: of a whole micrograph those of its regions, one after the other. Errors as above."""
        parts = self._parts(micrograph, box)
        return tuple(crop for part in parts for crop in crop_boxes(part, self.workspace.settings.classes))

    def regions(self, micrograph: MicrographRecord) -> tuple[RegionRecord, ...]:
        """Regions of one texture, the largest first: one that is the whole micrograph where it is not parted.

        Raises
        ------
        UnreadableImageError
            When the stored original cannot be read.
        """
        chosen = self.workspace.settings.classes
        if min(micrograph.shape) < SMALLEST:
            return (RegionRecord(whole(micrograph), 1.0),)
        asked = (micrograph.id, f"{METHODS[chosen.regions]}{_counting(micrograph)}", chosen.crop)
        with self.workspace.reading() as session:
            known = stored_regions(session, *asked)
        if known is not None:
            return known
        pixels, ignored = load_counted(self.workspace, micrograph)
        frame = frame_within(ignored, pixels.shape)
        regions: tuple[RegionRecord, ...] = (RegionRecord(box_of(frame), 1.0),)
        if chosen.regions:
            found = texture_regions(looked_at(pixels, ignored), chosen.crop, np.random.default_rng(0))
            regions = tuple(
                RegionRecord(Box(frame.top + each.top, frame.left + each.left, each.height, each.width), each.share)
                for each in found
            )
        with self.workspace.writing() as session:
            store_regions(session, *asked, regions)
        return regions

    def of_box(self, micrograph: MicrographRecord, box: Box) -> FloatArray:
        """Embeddings (N, D) of the crops :func:`crop_boxes` of a box, whatever textures it shows; errors as above."""
        chosen = self.workspace.settings.classes
        digest = f"{self._digest(chosen)}{_counting(micrograph)}"
        places, asked = crop_boxes(box, chosen), (micrograph.id, digest, chosen.crop, box)
        with self.workspace.reading() as session:
            key = embedding_key(session, *asked)
        if key is not None:
            return load_embedding(self.workspace, key)
        pixels = _pixels(self.workspace, micrograph)
        found = self.embedder(np.stack([cut(pixels, place) for place in places])).astype(np.float32)
        key = put_embedding(self.workspace, found)
        with self.workspace.writing() as session:
            store_embedding(session, *asked, key)
        return found

    def _parts(self, micrograph: MicrographRecord, box: Box) -> tuple[Box, ...]:
        return tuple(each.box for each in self.regions(micrograph)) if box == whole(micrograph) else (box,)

    def _digest(self, chosen: ClassSettings) -> str:
        """Of the embedder and the density of the grid, which decides what crops there are."""
        return f"{self.embedder.digest}-{chosen.per_edge}"


@dataclass(frozen=True, slots=True, eq=False)
class CropPixels(CropEmbeddings):
    """The crops themselves, for a network: they are cut again each time, and not kept."""

    def of_box(self, micrograph: MicrographRecord, box: Box) -> FloatArray:
        """Grey values (N, crop, crop) in [0, 1] of the crops :func:`crop_boxes` of a box; errors as of embeddings."""
        chosen = self.workspace.settings.classes
        places, grey = crop_boxes(box, chosen), to_float(_pixels(self.workspace, micrograph))
        return padded(np.stack([cut(grey, place) for place in places]), chosen.crop)


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

    Raises
    ------
    CheckpointError
        When the backbone's checkpoint is not at hand.
    ConfigError
        When crops are too small for the network of the settings.
    """
    chosen = workspace.settings.classes
    if chosen.model == "head":
        return CropEmbeddings(workspace, embedder_of(learning_backbone(None, workspace.settings)))
    if chosen.crop < least_edge(chosen.model):
        raise ConfigError(
            f"{chosen.model} takes crops of {least_edge(chosen.model)} pixels at least; raise classes.crop"
        )
    return CropPixels(workspace, GreyCrops(chosen.model))
