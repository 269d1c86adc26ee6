"""Label Studio's question "what is in these tasks?", answered from the store when known, computed when not."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

from matcurate.catalog.records import MicrographRecord, ModelVersionRecord, PredictionRecord, ProjectRecord
from matcurate.errors import ConfigError, CurateError
from matcurate.labelstudio.client import LabelStudioClient
from matcurate.labelstudio.regions import Region
from matcurate.segmentation.matsam.pipeline import MatSam
from matcurate.types import Progress, silent
from matcurate.workflows.presegment import predict_micrograph, register_version, stored_prediction
from matcurate.workflows.regions import RegionCodec
from matcurate.workflows.tasks import TaskQuestion, link_micrograph, task_micrograph
from matcurate.workflows.workspace import Workspace

log = logging.getLogger(__name__)

Source = Literal["store", "computed", "failed"]


@dataclass(frozen=True, slots=True)
class Answer:
    """The prediction for one task; empty, with the reason in the log, where the image could not be read."""

    task_id: int
    model_version: str
    score: float
    regions: tuple[Region, ...]
    source: Source


class LoadedSegmenter:
    """One segmenter for all threads of a process: built at first use, segmenting for one thread at a time.

    Only :meth:`use` waits for other threads' segmentations; what merely asks for the version does not.
    """

    def __init__(self, build: Callable[[], MatSam]) -> None:
        self._build = build
        self._building = threading.Lock()
        self._in_use = threading.Lock()
        self._built: MatSam | None = None

    @property
    def version(self) -> str | None:
        """Version of the segmenter, None before it is built. Answers at once."""
        built = self._built
        return None if built is None else built.version

    def load(self) -> MatSam:
        """Return the segmenter, built when it is not yet; for what does not segment.

        Raises
        ------
        CurateError
            When it cannot be built; the next call tries again.
        """
        with self._building:
            if self._built is None:
                self._built = self._build()
            return self._built

    @contextmanager
    def use(self) -> Iterator[MatSam]:
        """Hold the segmenter until the block ends."""
        segmenter = self.load()
        with self._in_use:
            yield segmenter


def answer_tasks(
    workspace: Workspace,
    client: LabelStudioClient | None,
    loaded: LoadedSegmenter,
    tasks: Sequence[TaskQuestion],
    label_config: str,
    progress: Progress = silent,
) -> list[Answer]:
    """Answer every task, in the order asked.

    What is computed is stored at once, so that a call that Label Studio gives up on (100 s) is not lost: asked again,
    it comes from the store. Images that the catalog does not know are fetched with our own token and taken in.

    Parameters
    ----------
    workspace : Workspace
        The open installation.
    client : LabelStudioClient, optional
        Fetches images that Label Studio has; without it images from elsewhere are still answered.
    loaded : LoadedSegmenter
        The model.
    tasks : sequence of TaskQuestion
        Task ids and data, as Label Studio sends them.
    label_config : str
        The project's labelling configuration (XML), which names the controls.
    progress : Progress
        Called once a task.

    Raises
    ------
    CatalogError
        When the project has not been created.
    ConfigError
        When an image is on a Label Studio that is not connected, or the labelling configuration or the preset does
        not fit the project: an empty answer would be stored as a prediction.
    """
    project = workspace.project()
    connected = workspace.settings.label_studio.project_id is not None
    version = register_version(workspace, project, loaded.load())
    codec = RegionCodec.for_project(workspace, project, label_config)
    answers = []
    for index, task in enumerate(tasks):
        progress(index, len(tasks), str(task.id))
        try:
            micrograph = task_micrograph(workspace, client, project, task, codec.config.image_key)
            if connected:
                link_micrograph(workspace, project, task, micrograph)
            prediction, source = _predict(workspace, loaded, project, version, micrograph)
            answers.append(Answer(task.id, version.name, prediction.score, tuple(codec.encode(prediction)), source))
        except ConfigError:
            raise
        except CurateError as error:
            log.warning("task %d: %s", task.id, error)
            answers.append(Answer(task.id, version.name, 0.0, (), "failed"))
    progress(len(tasks), len(tasks))
    return answers


def check_label_config(workspace: Workspace, label_config: str) -> None:
    """Raise ConfigError when a labelling configuration lacks what the project needs."""
    RegionCodec.for_project(workspace, workspace.project(), label_config)


def _predict(
    workspace: Workspace,
    loaded: LoadedSegmenter,
    project: ProjectRecord,
    version: ModelVersionRecord,
    micrograph: MicrographRecord,
) -> tuple[PredictionRecord, Source]:
    known = stored_prediction(workspace, version, micrograph)
    if known is not None:
        return known, "store"
    with loaded.use() as segmenter:
        known = stored_prediction(workspace, version, micrograph)  # another call may have computed it meanwhile
        if known is not None:
            return known, "store"
        return predict_micrograph(workspace, project, version, segmenter, micrograph), "computed"
