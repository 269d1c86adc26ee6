"""The vacuity map over the micrograph, shown beside the task so that annotators see where to look."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from matcurate.catalog.ranking_records import ScoreRecord
from matcurate.catalog.records import MicrographRecord, ModelVersionRecord
from matcurate.imaging.heat import heat_overlay
from matcurate.imaging.proxy import encode_png, to_uint8
from matcurate.imaging.read import decode_micrograph
from matcurate.labelstudio.client import LabelStudioClient
from matcurate.labelstudio.config import LOOK_KEY, shows_look
from matcurate.labelstudio.records import ImageUpload, TaskRef
from matcurate.types import Progress
from matcurate.workflows.home import Workspace, connected_project_id
from matcurate.workflows.ranking.score_store import load_vacuity

log = logging.getLogger(__name__)

LONGEST = 480
"""Edge of the picture beside the labels, in pixels."""
FAINTEST = 0.05
"""Minimum vacuity of full red, so that the noise of a model that knows everything is not painted red."""


@dataclass(frozen=True, slots=True)
class RankedTask:
    """A micrograph of the batch, its scores, and its task in Label Studio."""

    micrograph: MicrographRecord
    score: ScoreRecord
    task: int


def attach_vacuity_maps(
    workspace: Workspace,
    client: LabelStudioClient,
    version: ModelVersionRecord,
    ranked: Sequence[RankedTask],
    progress: Progress,
) -> int:
    """Show on each task where the model has seen too little, and remove another version's map; returns tasks with one.

    A task that shows this version's map already is left alone. Nothing is shown in a project whose labelling
    configuration has no place for it.
    """
    ls_project_id = connected_project_id(workspace.settings)
    if not ranked or not shows_look(client.projects.get(ls_project_id).label_config):
        if any(task.score.vacuity_key is not None for task in ranked):
            log.warning(
                'annotators see no vacuity map: add <Markdown value="$%s"/> to the labelling configuration', LOOK_KEY
            )
        return 0
    tasks = {task.id: task for task in client.tasks.of_project(ls_project_id)}
    shown = 0
    for index, row in enumerate(ranked):
        progress(index, len(ranked), row.micrograph.name)
        if row.task in tasks:
            shown += _attach(workspace, client, version, row, tasks[row.task])
    progress(len(ranked), len(ranked))
    return shown


def _attach(
    workspace: Workspace, client: LabelStudioClient, version: ModelVersionRecord, ranked: RankedTask, task: TaskRef
) -> bool:
    text, vacuity = str(task.data.get(LOOK_KEY) or ""), load_vacuity(workspace, ranked.score)
    if vacuity is None or ranked.score.vacuity_key is None:
        if text:
            client.tasks.change_data(task, {LOOK_KEY: ""})
        return False
    mark = f"vacuity map {ranked.score.vacuity_key[3:15]}"
    if mark not in text:
        picture, top = vacuity_picture(load_proxy(workspace, ranked.micrograph), vacuity)
        image = ImageUpload(f"look {ranked.micrograph.name}.png", encode_png(picture), {})
        address = client.tasks.upload_image(connected_project_id(workspace.settings), image)
        client.tasks.change_data(task, {LOOK_KEY: f"{explanation(version.name, top)}\n\n![{mark}]({address})"})
    return True


def load_proxy(workspace: Workspace, micrograph: MicrographRecord) -> NDArray[np.uint8]:
    """The 8-bit micrograph (H, W) that the page shows."""
    return to_uint8(decode_micrograph(workspace.objects.get(micrograph.proxy_key), micrograph.name).pixels)


def vacuity_picture(grey: NDArray[np.uint8], vacuity: NDArray[np.float32]) -> tuple[NDArray[np.uint8], float]:
    """Picture (h, w, 3) of a micrograph and its vacuity map, both (H, W), at most 480 pixels long.

    Also returns the vacuity of full red: the highest there is.
    """
    scale = min(1.0, LONGEST / max(grey.shape))
    size = max(1, round(grey.shape[1] * scale)), max(1, round(grey.shape[0] * scale))
    small, heat = (cv2.resize(values, size, interpolation=cv2.INTER_AREA) for values in (grey, vacuity))
    top = max(FAINTEST, float(heat.max()))
    return heat_overlay(small.astype(np.uint8), heat.astype(np.float64), top), top


def explanation(version: str, top: float) -> str:
    """The colours, explained to annotators."""
    return (
        f"**Where to look.** Grey: `{version}` knows such places. Yellow to red: it has seen too little like them; "
        f"full red is a vacuity of {top:.2f}, the highest here (0: known well, 1: never seen)."
    )
