"""Predictions of the catalog as regions on Label Studio's page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from matcurate.catalog.records import PredictionRecord, ProjectRecord
from matcurate.config import load_preset
from matcurate.imaging.labels import decode_labels
from matcurate.labelstudio.annotations import encode_prediction
from matcurate.labelstudio.config import LabellingConfig, parse_labelling_config
from matcurate.labelstudio.regions import Region
from matcurate.segmentation.build import PRESETS
from matcurate.segmentation.matsam.pipeline import MatSamPreset
from matcurate.types import LabelMap
from matcurate.workflows.home import Workspace

POLYGON_TOLERANCE = 0.5
"""Pixels by which an outline on the page may differ: a tenth of the corners, and the browser stays quick."""


@dataclass(frozen=True, slots=True)
class RegionCodec:
    """Turns label images into regions: a brush for each phase, or polygons where the preset asks for instances."""

    workspace: Workspace
    project: ProjectRecord
    config: LabellingConfig
    outlined: bool

    @classmethod
    def for_project(cls, workspace: Workspace, project: ProjectRecord, label_config: str) -> RegionCodec:
        """Read a labelling configuration; raises ConfigError when it does not fit the project."""
        return cls(workspace, project, parse_labelling_config(label_config, project.phases), wants_instances(project))

    def encode(self, prediction: PredictionRecord) -> list[Region]:
        """Regions of a stored prediction."""
        phases = self.load(prediction.phases_key)
        instances = None
        if self.outlined and prediction.instances_key is not None:
            instances = self.load(prediction.instances_key)
        ratios = [prediction.phase_fractions.get(name, 0.0) for name in self.project.phases]
        return self.encode_labels(phases, instances, ratios, prediction.score)

    def encode_labels(
        self, phases: LabelMap, instances: LabelMap | None, ratios: Sequence[float] | None, score: float | None = None
    ) -> list[Region]:
        """Regions of label images (H, W): exact brushes, or polygons simplified to half a pixel."""
        if self.outlined:
            return encode_prediction(
                phases,
                self.config,
                instances=instances,
                ratios=ratios,
                score=score,
                mode="polygon",
                tolerance=POLYGON_TOLERANCE,
            )
        return encode_prediction(phases, self.config, ratios=ratios, score=score)

    def load(self, key: str) -> LabelMap:
        """Label image from the object store."""
        return decode_labels(self.workspace.objects.get(key), key)


def wants_instances(project: ProjectRecord) -> bool:
    """Whether the project's experts correct instances (grains, layers) rather than phases."""
    return load_preset(project.preset, MatSamPreset, PRESETS).output == "instances"
