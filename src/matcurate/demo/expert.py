"""The demo's simulated expert: corrects tasks with known masks in Label Studio, and checks what comes back."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from matcurate.catalog.corrections import list_corrections
from matcurate.catalog.micrographs import list_for_project
from matcurate.catalog.predictions import latest_prediction
from matcurate.catalog.records import CorrectionRecord, MicrographRecord, TaskLink
from matcurate.catalog.tasks import links_for_project
from matcurate.demo.pictures import DemoSet
from matcurate.errors import CatalogError, DatasetError
from matcurate.files import replace_file
from matcurate.imaging.labels import decode_labels, read_labels
from matcurate.imaging.overlay import overlay
from matcurate.imaging.proxy import encode_png
from matcurate.labelstudio.client import LabelStudioClient
from matcurate.segmentation.metrics import class_mean_iou
from matcurate.tracking.runs import RunReport, log_run
from matcurate.types import LabelMap, Progress, silent
from matcurate.workflows.home import Workspace, connected_project_id, load_original
from matcurate.workflows.labelling import RegionCodec, pull_corrections
from matcurate.workflows.versions import model_version_names

WEBHOOK_SECONDS = 60.0
"""Seconds to wait for webhooks before everything is pulled."""
POLL_SECONDS = 0.3
PICTURE_ROWS = 3
LEAD_TIME = 30.0

Rgb = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class DemoCorrection:
    """One correction.

    ``iou``: of the pre-segmentation with the correction, mean of foreground and background. ``pixels_changed``: pixels
    whose class the expert changed. ``arrived_by``: ``webhook``, or ``sync`` when the webhook was lost. ``identical``:
    whether the catalog holds what the expert drew, pixel for pixel.
    """

    name: str
    iou: float
    pixels_changed: int
    arrived_by: str
    identical: bool


@dataclass(frozen=True, slots=True)
class DemoReport:
    """What ``curate demo --once`` shows; ``lost`` names micrographs whose correction did not arrive."""

    label_studio: str
    model_version: str
    corrections: tuple[DemoCorrection, ...]
    lost: tuple[str, ...]
    overview: str
    run_id: str


@dataclass(frozen=True, slots=True)
class Expert:
    """Simulates an expert who has the masks of a demo."""

    workspace: Workspace
    client: LabelStudioClient
    data: DemoSet
    tracking_uri: str

    def play(self, project_url: str, progress: Progress = silent) -> DemoReport:
        """Correct every open task except untouched ones, and wait for the catalog; DatasetError without masks."""
        if not self.data.masks:
            raise DatasetError(f"{self.data.images} has no masks to play the expert with; leave out --once")
        tasks = self._open_tasks()
        for index, (link, micrograph) in enumerate(tasks):
            progress(index, len(tasks), f"the expert corrects {micrograph.name}")
            self._annotate(link, micrograph)
        by_webhook = self._wait_for({micrograph.id for _, micrograph in tasks})
        arrived = self._corrections()
        compared = [
            self._compare(m, arrived[m.id], "webhook" if m.id in by_webhook else "sync")
            for _, m in tasks
            if m.id in arrived
        ]
        lost = tuple(m.name for _, m in tasks if m.id not in arrived)
        overview = self.workspace.settings.home.absolute() / "demo" / "overview.png"
        _write_picture(overview, [row for _, row in compared[:PICTURE_ROWS]])
        corrections = tuple(correction for correction, _ in compared)
        version = model_version_names(self.workspace)[0]
        run_id = self._log(version, corrections, overview)
        return DemoReport(project_url, version, corrections, lost, str(overview), run_id)

    def _open_tasks(self) -> list[tuple[TaskLink, MicrographRecord]]:
        project, ls_project_id = self.workspace.project(), connected_project_id(self.workspace.settings)
        corrected = set(self._corrections())
        with self.workspace.reading() as session:
            micrographs = {m.id: m for m in list_for_project(session, project.id)}
            links = links_for_project(session, project.id, ls_project_id)
        tasks = [(link, micrographs[link.micrograph_id]) for link in links if link.micrograph_id not in corrected]
        wanted = self.data.masks.keys() - self.data.untouched
        return [(link, m) for link, m in tasks if m.content_hash in wanted]

    def _annotate(self, link: TaskLink, micrograph: MicrographRecord) -> None:
        project = self.workspace.project()
        label_config = self.client.projects.get(link.ls_project_id).label_config
        codec = RegionCodec.for_project(self.workspace, project, label_config)
        mask = self._mask(micrograph)
        ratios = [float((mask == class_id).mean()) for class_id in range(1, len(project.phases) + 1)]
        self.client.annotations.create(link.ls_task_id, codec.encode_labels(mask, None, ratios), lead_time=LEAD_TIME)

    def _wait_for(self, micrograph_ids: set[int]) -> set[int]:
        """Wait for the corrections, and pull those that webhooks have not brought; returns those they have."""
        deadline = time.monotonic() + WEBHOOK_SECONDS
        while not micrograph_ids <= (arrived := set(self._corrections())):
            if time.monotonic() > deadline:
                pull_corrections(self.workspace, self.client)
                break
            time.sleep(POLL_SECONDS)
        return arrived

    def _corrections(self) -> dict[int, CorrectionRecord]:
        project = self.workspace.project()
        with self.workspace.reading() as session:
            return {c.micrograph_id: c for c in list_corrections(session, project.id)}

    def _compare(
        self, micrograph: MicrographRecord, correction: CorrectionRecord, arrived_by: str
    ) -> tuple[DemoCorrection, Rgb]:
        project = self.workspace.project()
        with self.workspace.reading() as session:
            prediction = latest_prediction(session, project.id, micrograph.id)
        if prediction is None or correction.phases_key is None:
            raise CatalogError(f"{micrograph.name} has no prediction or no mask; run 'curate presegment'")
        predicted = decode_labels(self.workspace.objects.get(prediction.phases_key))
        corrected = decode_labels(self.workspace.objects.get(correction.phases_key))
        pixels = load_original(self.workspace, micrograph).pixels
        row = [overlay(pixels, labels) for labels in (np.zeros_like(corrected), predicted, corrected)]
        comparison = DemoCorrection(
            name=micrograph.name,
            iou=class_mean_iou(predicted > 0, corrected > 0),
            pixels_changed=int(np.count_nonzero(predicted != corrected)),
            arrived_by=arrived_by,
            identical=bool(np.array_equal(corrected, self._mask(micrograph))),
        )
        return comparison, np.hstack(row)

    def _mask(self, micrograph: MicrographRecord) -> LabelMap:
        return read_labels(self.data.masks[micrograph.content_hash])

    def _log(self, version: str, corrections: tuple[DemoCorrection, ...], overview: Path) -> str:
        metrics = {
            "corrections": float(len(corrections)),
            "mean_iou": float(np.mean([c.iou for c in corrections])) if corrections else 0.0,
            "pixels_changed": float(sum(c.pixels_changed for c in corrections)),
        }
        artifacts = (overview,) if overview.exists() else ()
        report = RunReport("pre-segmentation", {"model_version": version}, metrics, artifacts=artifacts)
        return log_run(self.tracking_uri, self.workspace.settings.project, report)


def _write_picture(path: Path, rows: list[Rgb]) -> None:
    """Micrograph, pre-segmentation and correction side by side, one row for each micrograph."""
    if rows:
        width = min(row.shape[1] for row in rows)
        scaled = [cv2.resize(row, (width, round(row.shape[0] * width / row.shape[1]))) for row in rows]
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, encode_png(np.vstack(scaled).astype(np.uint8)))
