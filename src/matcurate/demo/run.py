"""The whole loop on one machine: embedded services, micrographs in, pre-segmented and in Label Studio."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from matcurate.config import RetrainSettings, Settings, WorkerSettings, load_settings, save_settings
from matcurate.demo.expert import DemoReport, Expert
from matcurate.demo.learning import LearningReport, follow_learning
from matcurate.demo.pictures import LEARNS_FROM, DemoSet, generated_set, given_set
from matcurate.errors import ConfigError
from matcurate.services.run import Services, run_connected
from matcurate.types import Progress, silent
from matcurate.workflows.home import initialise, label_studio_client, open_workspace
from matcurate.workflows.ingest import Provenance, ingest_files
from matcurate.workflows.labelling import push_project
from matcurate.workflows.presegment import choose_presegmenter, presegment_micrographs

QUIET_SECONDS = 5.0
"""Seconds after the last correction of a demo until the worker trains."""
TRAINING = "demo"
"""Preset in configs/phase for generated micrographs, which look alike: shorter than that of the settings."""


@dataclass(frozen=True, slots=True)
class RunningDemo:
    """Services up, micrographs pre-segmented and in Label Studio; ``problems`` are the files left out."""

    services: Services
    project_url: str
    expert: Expert
    problems: tuple[str, ...]

    def play_expert(self, progress: Progress = silent) -> DemoReport:
        """Correct tasks with their known masks, and wait until the corrections are in the catalog."""
        return self.expert.play(self.project_url, progress)

    def learn(self, played: DemoReport, progress: Progress = silent) -> LearningReport | None:
        """Wait until the worker has learned from the corrections; None when there is nothing to learn from."""
        if not played.corrections or self.expert.data.learned_from < LEARNS_FROM - 2:
            return None
        return follow_learning(self.expert.workspace, self.expert.data, played.model_version, progress)


@contextmanager
def run_demo(
    settings: Settings,
    folder: Path | None,
    n: int,
    seed: int,
    preset: str = "phases",
    progress: Progress = silent,
) -> Iterator[RunningDemo]:
    """Run the demo until the block ends.

    It lives in the settings' home; run again on the same micrographs, it continues. ``folder`` holds micrographs, or is
    a dataset folder with masks; ``n`` are generated from ``seed`` by default. ``preset`` is that of the
    pre-segmentation.

    Raises DatasetError when the folder is none; CatalogError when the home's project of these micrographs has other
    phases or another preset; ConfigError when ``$CURATE_PROJECT`` names another project; ServiceError when a service
    does not come up.
    """
    progress(0, 5, "micrographs" if folder else f"{n} generated micrographs")
    data = given_set(folder) if folder else generated_set(settings.home / "demo" / "generated", n, seed)
    initialise(settings, data.name, data.phases, preset)
    _learn_at_once(settings, data, preset=None if folder else TRAINING)
    settings = load_settings(settings.home)
    if settings.project != data.name:
        raise ConfigError(f"CURATE_PROJECT={settings.project} keeps the demo from its own project; unset it")
    progress(1, 5, "Label Studio, MLflow, the backend and the worker (the first start takes half a minute)")
    with run_connected(settings, data.phases) as (services, reachable, project_url):
        workspace = open_workspace(reachable)
        with label_studio_client(reachable) as client:
            progress(2, 5, "ingest")
            golden = ingest_files(workspace, data.golden, Provenance(golden=True))
            ingested = ingest_files(workspace, [data.images])
            progress(3, 5, "pre-segment")
            segmenter = choose_presegmenter(workspace)
            segmented = presegment_micrographs(workspace, segmenter)
            progress(4, 5, "push to Label Studio")
            push_project(workspace, client, segmenter.version)
            expert = Expert(workspace, client, data, services.mlflow_url)
            yield RunningDemo(services, project_url, expert, (*golden.refused, *ingested.refused, *segmented.failed))


def _learn_at_once(settings: Settings, data: DemoSet, preset: str | None) -> None:
    """Let the demo's worker train when the expert stops, unless the home sets when."""
    if settings.worker == WorkerSettings() and settings.retrain == RetrainSettings() and data.learned_from > 0:
        retrain = {"new_corrections": data.learned_from, "preset": preset}
        save_settings(settings.home, {"worker": {"quiet_seconds": QUIET_SECONDS}, "retrain": retrain})
