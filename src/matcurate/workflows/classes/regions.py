"""Discovered regions → classes: known ones by name, or new, with the most similar ones."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from matcurate.catalog import Box, list_projects
from matcurate.config import Settings
from matcurate.segmentation.homogeneous import largest_rectangle
from matcurate.types import LabelMap, Pixels
from matcurate.uncertainty.classifier import SIMILAR, RegionClass
from matcurate.workflows.classes.classes import known_classes
from matcurate.workflows.classes.crops import SMALLEST, open_embeddings
from matcurate.workflows.classes.queue import ClassExpert
from matcurate.workflows.home import open_workspace

CELL = 4
"""Pixels between two looked at when the rectangle of a region is sought."""


def open_region_classifier(settings: Settings) -> Callable[[Pixels, LabelMap], tuple[RegionClass, ...]] | None:
    """Classifier of the installation; None where there is none, or no class has been named.

    It takes an image (H, W) and the ids (H, W) of its regions, 0 for none, and leaves out regions that hold no crop of
    32 pixels. Raises ConfigError when the settings are not those that the classes were learned with.
    """
    if settings.database_url is None and not (settings.home / "catalog.db").is_file():
        return None
    workspace = open_workspace(settings)
    with workspace.reading() as session:
        if settings.project not in {project.name for project in list_projects(session)}:
            return None
    state = known_classes(workspace)
    if state.head is None:
        return None
    expert, threshold = ClassExpert(workspace, state, open_embeddings(workspace)), state.head.threshold

    def classify(pixels: Pixels, labels: LabelMap) -> tuple[RegionClass, ...]:
        classes = []
        for number in range(1, int(labels.max()) + 1):
            if (box := _box(labels, number)) is None:
                continue
            answer = expert.of_pixels(pixels, box, SIMILAR)
            similar = tuple((match.name, match.probability) for match in answer.similar)
            classes.append(RegionClass(number, answer.name, answer.is_new(threshold), answer.vacuity, similar))
        return tuple(classes)

    return classify


def _box(labels: LabelMap, number: int) -> Box | None:
    """Largest rectangle of a region; None where none of them holds a crop."""
    mask = np.ascontiguousarray(labels[::CELL, ::CELL] == number)
    top, left, height, width = largest_rectangle(mask, -(-SMALLEST // CELL) + 1)
    if not mask[top : top + height, left : left + width].all():
        return None
    return Box(CELL * top, CELL * left, CELL * (height - 1) + 1, CELL * (width - 1) + 1)
