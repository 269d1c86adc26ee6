"""The region segmenter of a project's classes: trained on collages of their regions, measured, registered.

References
----------
K. Zhang et al., "A framework for supervised and unsupervised segmentation and classification of materials
microstructure images" (2025), sections 2.3 and 2.4.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from matcurate import __version__
from matcurate.catalog import Box, get_micrograph, utc_now
from matcurate.config import load_preset
from matcurate.errors import CatalogError
from matcurate.imaging.ignored import frame_within, looked_at
from matcurate.learned.regions import (
    CollageBatches,
    RegionModel,
    RegionSettings,
    build_region_model,
    save_regions,
)
from matcurate.phase.build import base_of
from matcurate.phase.inference import segment_phases
from matcurate.phase.ratios import no_ratio
from matcurate.phase.samples import grey_levels
from matcurate.phase.trainer import StepReport, train
from matcurate.promptable.builtin.shipped import shipped
from matcurate.segmentation.collage import Collages
from matcurate.tracking.registry import CHALLENGER, CHAMPION, AliasMove, Origin, RegisteredVersion, Registry
from matcurate.tracking.runs import RunReport, live_run
from matcurate.tracking.version_tags import VersionTags
from matcurate.types import Progress, silent
from matcurate.workflows.home import Workspace, backbone_of, current_user, load_counted
from matcurate.workflows.iterate.questions import RegionOfClass
from matcurate.workflows.versions import ADAPTER_FILE, MODEL, load_files_of

Texture = NDArray[np.float32]
Measured = tuple[float, list[float]]
"""Share of the pixels that are right, of all and of each class."""
HELD = 0.25
"""Part of every region, at its right or lower end, that is only measured on."""
SMALLEST = 32
"""Least edge of a texture in pixels."""
MEASURED = 40
"""Collages of held-out parts that a model is measured on."""
SEED_MEASURED = 1


@dataclass(frozen=True, slots=True)
class SegmenterReport:
    """A version of the segmenter, and shares of pixels of held-out collages that are right.

    ``accuracy`` is over all classes, ``worst`` that of the worst one, ``worst_class``; ``old_before`` and ``old_after``
    are those of the classes that the version before knew, by it and by this one; None for the first. ``trained``:
    whether it is new.
    """

    version: str
    classes: tuple[str, ...]
    accuracy: float
    worst: float
    worst_class: str
    old_before: float | None
    old_after: float | None
    promoted: bool
    trained: bool


def class_registry(workspace: Workspace) -> Registry:
    """The registered model of the project's classes, beside that of its phases."""
    return Registry(workspace.settings.resolved_tracking_uri, f"{workspace.project().name} classes")


def train_segmenter(
    workspace: Workspace,
    classes: Sequence[str],
    regions: Sequence[RegionOfClass],
    *,
    steps: int | None = None,
    seed: int = 0,
    progress: Progress = silent,
) -> SegmenterReport:
    """Train on collages of the classes' regions, starting from the champion, and register the result.

    The same regions, settings and seed give the version there is. A training that was killed resumes from its
    checkpoint. It becomes champion unless the classes that the champion knows have lost more than
    ``retrain.promotion.dice_loss``. Raises CatalogError when there are fewer than two classes, or one has no region
    that is large enough.
    """
    plan = SegmenterPlan.of(workspace, classes, regions, steps, seed)
    version, own = plan.registered(), None
    trained = version is None
    if version is None:
        number, own = plan.train(workspace, progress)
        version = plan.registry.version(number)
    report = plan.measured(version, own)
    if CHALLENGER not in version.aliases and plan.registry.versions()[0].version == version.version:
        _move(plan.registry, CHALLENGER, version, f"{report.accuracy:.3f} of the pixels of held-out collages are right")
    lost = 0.0 if report.old_before is None or report.old_after is None else report.old_before - report.old_after
    if trained and lost <= workspace.settings.retrain.promotion.dice_loss:
        _move(plan.registry, CHAMPION, version, f"{len(classes)} classes; the earlier ones lost {lost:.3f}")
        report = replace(report, promoted=True)
    return replace(report, trained=trained)


@dataclass(frozen=True, slots=True, eq=False)
class SegmenterPlan:
    """What a training of the segmenter begins with; ``digest`` is of its regions, ``settings`` of all else."""

    registry: Registry
    champion: RegisteredVersion | None
    classes: tuple[str, ...]
    learned: Sequence[Sequence[Texture]]
    held: Sequence[Sequence[Texture]]
    preset: RegionSettings
    seed: int
    digest: str
    settings: str

    @classmethod
    def of(
        cls,
        workspace: Workspace,
        classes: Sequence[str],
        regions: Sequence[RegionOfClass],
        steps: int | None,
        seed: int,
    ) -> SegmenterPlan:
        """Read textures, preset and champion; errors as of :func:`train_segmenter`."""
        if len(classes) < 2:
            raise CatalogError(f"{len(classes)} named class; a segmenter tells two or more apart, name another region")
        learned, held = textures(workspace, classes, regions)
        preset = load_preset("builtin", RegionSettings, "regions")
        collages = preset.collages.model_copy(update={"regions": (1, preset.collages.regions[1])})
        preset = preset.model_copy(update={"collages": collages})  # micrographs of one texture come alone
        if steps is not None:
            preset = preset.model_copy(update={"train": preset.train.model_copy(update={"steps": steps})})
        registry = class_registry(workspace)
        digest = _digest([sorted(map(_facts, regions)), list(classes)])
        settings = _digest([preset.model_dump(mode="json"), seed])
        champion = registry.by_alias(CHAMPION)
        return cls(registry, champion, tuple(classes), learned, held, preset, seed, digest, settings)

    def registered(self) -> RegisteredVersion | None:
        """The version that such a training has made before, if any."""
        facts = (self.digest, self.settings)
        made = (each for each in self.registry.versions() if (each.tags.snapshot, each.tags.settings_sha256) == facts)
        return next(made, None)

    def train(self, workspace: Workspace, progress: Progress) -> tuple[int, Measured]:
        """Train, or go on from the checkpoint; returns the number of the new version, and how good it is."""
        backbone, options = backbone_of(workspace, "builtin"), self.preset.train
        model = build_region_model(backbone, len(self.classes), self.preset.model, self.seed)
        start, origin = self._start()
        batch, augmentation = options.sampling.batch, options.sampling.augmentation
        source = CollageBatches(Collages(self.learned, self.preset.collages), model, batch, augmentation)
        folder = workspace.settings.home / "training" / self.registry.model / _digest([self.digest, self.settings])[:16]
        folder.mkdir(parents=True, exist_ok=True)
        parameters: dict[str, str | int | float] = {"classes": ", ".join(self.classes), "steps": options.steps}
        begun = RunReport("iterate", parameters | {"start": origin}, tags={"matcurate": __version__})
        with live_run(self.registry.uri, self.registry.model, begun) as live:

            def report(step: StepReport) -> None:
                live.metrics({"loss": step.loss}, step.step)

            train(model, source, options, seed=self.seed, start=start, folder=folder, report=report, progress=progress)
            accuracy, recalls = own = accuracy_of(model, self.held, self.preset)
            live.metrics({"accuracy": accuracy, **{f"class_{k}": value for k, value in enumerate(recalls)}})
            with tempfile.TemporaryDirectory() as made:
                path = Path(made) / ADAPTER_FILE
                save_regions(path, model, base_of(backbone), self.classes, self.preset.model)
                live.files(Path(made), MODEL)
        base = base_of(backbone)
        facts = Origin(self.digest, base.name, base.sha256, self.settings, workspace.settings.lab)
        number = self.registry.register(live.id, MODEL, facts, VersionTags(family="regions", start=origin))
        shutil.rmtree(folder, ignore_errors=True)
        return number, own

    def measured(self, version: RegisteredVersion, own: Measured | None = None) -> SegmenterReport:
        """Accuracy of a version, ``own`` where it was measured, and on the champion's classes the champion's beside."""
        model = _model(self.registry, version)
        accuracy, recalls = own or accuracy_of(model, self.held, self.preset)
        before = after = None
        if self.champion is not None and self.champion.version != version.version:
            earlier = _model(self.registry, self.champion)
            before = accuracy_of(earlier, self.held, self.preset, earlier.phases)[0]
            after = accuracy_of(model, self.held, self.preset, earlier.phases)[0]
        worst, promoted = int(np.nanargmin(recalls)), CHAMPION in version.aliases
        worst_class = self.classes[worst]
        return SegmenterReport(
            version.name, self.classes, accuracy, recalls[worst], worst_class, before, after, promoted, False
        )

    def _start(self) -> tuple[Mapping[str, Tensor] | None, str]:
        """Weights at the start, and where they come from."""
        if self.champion is None:
            return None, "from the built-in network"
        start = load_files_of(self.registry, self.champion).adapter.start_for(self.classes, self.seed)
        return start, f"from {self.champion.name}" if start is not None else "from the built-in network: other classes"


def textures(
    workspace: Workspace, classes: Sequence[str], regions: Sequence[RegionOfClass]
) -> tuple[list[list[Texture]], list[list[Texture]]]:
    """Grey textures of every class to learn from, and held-out ones, by class.

    Every region is divided along its longer edge; a class whose regions are too small for that is measured on what was
    learned. Raises CatalogError when a class has no region that is large enough.
    """
    learned: list[list[Texture]] = [[] for _ in classes]
    held: list[list[Texture]] = [[] for _ in classes]
    for region in regions:
        number = list(classes).index(region.class_name)
        grey = _grey(workspace, region)
        axis = int(grey.shape[1] > grey.shape[0])
        first = round(grey.shape[axis] * (1 - HELD))
        parts = np.split(grey, [first], axis=axis)
        for part, kept in zip(parts, (learned, held), strict=True):
            if min(part.shape) >= SMALLEST:
                kept[number].append(np.ascontiguousarray(part))
    for name, of_class in zip(classes, learned, strict=True):
        if not of_class:
            raise CatalogError(f"class {name!r} has no region that is large enough; name one of 48 x 48 pixels or more")
    return learned, [own or other for own, other in zip(held, learned, strict=True)]


def accuracy_of(
    model: RegionModel, held: Sequence[Sequence[Texture]], preset: RegionSettings, classes: int | None = None
) -> Measured:
    """Share of right pixels of collages of the first ``classes`` classes, and that of each; nan where it is in none."""
    collages = Collages(held[:classes], preset.collages)
    table = np.zeros((collages.classes, model.phases))
    for index in range(MEASURED):
        made = collages.collage(SEED_MEASURED, index)
        predicted = segment_phases(model, made.grey, no_ratio(model.phases))
        np.add.at(table, (made.labels.ravel(), predicted.ravel()), 1)
    right = np.diag(table)
    totals = table.sum(axis=1)
    recalls = np.where(totals > 0, right / np.maximum(totals, 1), np.nan)
    return float(right.sum() / totals.sum()), [float(value) for value in recalls]


def _model(registry: Registry, version: RegisteredVersion) -> RegionModel:
    model = load_files_of(registry, version).adapter.model(shipped("cpu"))
    if not isinstance(model, RegionModel):
        raise CatalogError(f"{version.name} is no region segmenter; remove it from {registry.model!r} in MLflow")
    return model


def _grey(workspace: Workspace, region: RegionOfClass) -> Texture:
    """Grey levels (h, w) in [0, 1] of a region's box, as models see the whole micrograph."""
    with workspace.reading() as session:
        record = get_micrograph(session, region.micrograph)
    pixels, ignored = load_counted(workspace, record)
    frame = frame_within(ignored, pixels.shape)
    grey = grey_levels(looked_at(pixels, ignored))
    box = region.box
    top, left = max(0, box.top - frame.top), max(0, box.left - frame.left)
    return grey[top : box.top - frame.top + box.height, left : box.left - frame.left + box.width]


def _move(registry: Registry, alias: str, version: RegisteredVersion, why: str) -> None:
    previous = registry.by_alias(alias)
    registry.move_alias(
        AliasMove(
            alias=alias,
            version=version.version,
            previous=None if previous is None else previous.version,
            who=f"{current_user()}, by 'curate iterate'",
            why=why,
            at=utc_now(),
        )
    )


def _facts(region: RegionOfClass) -> tuple[int, int, int, int, int, str]:
    box: Box = region.box
    return region.micrograph, box.top, box.left, box.height, box.width, region.class_name


def _digest(facts: object) -> str:
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
