"""What pre-segments a project's micrographs: MatSAM without training, or the champion that learned from corrections."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol

from matcurate.catalog import alias_history
from matcurate.errors import CheckpointError, TrackingError
from matcurate.imaging.ignored import frame_within, looked_at
from matcurate.learned.area_bias import followed
from matcurate.learned.segmentation import segmentation_of
from matcurate.phase.constrained import AreaPrior, areas_of, follow
from matcurate.phase.expert_ratio import ExpertRatio
from matcurate.phase.model import SegmentationModel
from matcurate.phase.ratios import no_ratio
from matcurate.phase.recent import RecentShares
from matcurate.phase.samples import grey_levels
from matcurate.segmentation.build import build_segmenter
from matcurate.segmentation.matsam.pipeline import MatSam
from matcurate.segmentation.matsam.prepared import prepare
from matcurate.segmentation.result import Segmentation
from matcurate.tracking.reach import state_of
from matcurate.types import BoolMask, Pixels
from matcurate.uncertainty.pixels import PixelHead
from matcurate.workflows.home import Workspace

if TYPE_CHECKING:
    from matcurate.workflows.versions import VersionFiles

CHAMPION = "champion"
"""The alias; as :data:`matcurate.tracking.registry.CHAMPION`, whose module takes seconds to import."""


@dataclass(frozen=True, slots=True)
class VersionFacts:
    """Settings that reproduce a version's predictions; kept in the catalog."""

    backbone: str
    backbone_digest: str
    preset: str
    settings: Mapping[str, object]


class PreSegmenter(Protocol):
    """Segments micrographs, under one version name."""

    @property
    def version(self) -> str:
        """The one version string, also shown by Label Studio."""

    @property
    def method(self) -> str:
        """What it is, for people."""

    @property
    def facts(self) -> VersionFacts:
        """What decides about its results."""

    def segment(
        self, pixels: Pixels, ratio: ExpertRatio | None = None, ignored: BoolMask | None = None
    ) -> Segmentation:
        """Segment a micrograph (H, W) without what is ignored (H, W), as an expert's ratio has it, if any."""


@dataclass(frozen=True, slots=True)
class ZeroShot:
    """MatSAM: needs no training."""

    matsam: MatSam
    preset: str
    method: str = "MatSAM"

    @property
    def version(self) -> str:
        """Of the method, its preset and its backbone."""
        return self.matsam.version

    @property
    def facts(self) -> VersionFacts:
        """Backbone and every setting of the preset."""
        backbone = self.matsam.backbone
        return VersionFacts(backbone.name, backbone.digest, self.preset, json.loads(self.matsam.preset.recorded()))

    def segment(
        self, pixels: Pixels, ratio: ExpertRatio | None = None, ignored: BoolMask | None = None
    ) -> Segmentation:
        """Segment; a ratio enlarges or shrinks the phases (:func:`~matcurate.learned.area_bias.followed`).

        Presets whose output is instances ignore the ratio.
        """
        segmentation = self.matsam.segment(pixels, ignored=ignored)
        if ratio is None or self.matsam.preset.output == "instances":
            return segmentation
        inside = frame_within(ignored, pixels.shape).inside
        framed = replace(segmentation, phases=segmentation.phases[inside], instances=segmentation.instances[inside])
        grey = prepare(looked_at(pixels, ignored), self.matsam.preset.polarity).grey
        counted = None if ignored is None else ~ignored[inside]
        return followed(replace(framed, alternative=None, ignored=None), grey, ratio, counted).without(ignored)


@dataclass(frozen=True, slots=True)
class Learned:
    """A phase model that was trained on corrections: a version of the registry, with its head of evidence if any.

    ``prior`` is what an expert's guess of area fractions is weighed against, None for the default; ``recent`` keeps the
    probabilities of the last micrographs, so that another ratio is answered at once.
    """

    version: str
    facts: VersionFacts
    model: SegmentationModel
    evidence: PixelHead | None = None
    prior: AreaPrior | None = None
    recent: RecentShares = field(default_factory=RecentShares)
    method: str = "LoRA-SAM with Phase Learning Module"

    def segment(
        self, pixels: Pixels, ratio: ExpertRatio | None = None, ignored: BoolMask | None = None
    ) -> Segmentation:
        """Most probable phase of every pixel; objects are its connected regions.

        A ratio goes into the Phase Learning Module, and its areas are met by a bias on the probabilities
        (:func:`~matcurate.phase.constrained.follow`). The score is the mean probability of the pixels' phases.
        """
        grey, none = grey_levels(looked_at(pixels, ignored)), no_ratio(self.model.phases)
        if ratio is None:
            return segmentation_of(self.recent.shares(self.model, grey, none), ignored)
        counted = None if ignored is None else ~ignored[frame_within(ignored, pixels.shape).inside]
        given = none
        if self.model.modules_of_ratio():
            own = none if ratio.names_all else areas_of(self.recent.shares(self.model, grey, none), counted)
            given = ratio.completed(own)
        shares = self.recent.shares(self.model, grey, given)
        return segmentation_of(follow(shares, ratio.areas, ratio.trust, self.prior, counted), ignored)


def zero_shot(workspace: Workspace, backbone: str | None = None) -> ZeroShot:
    """MatSAM with the project's preset, on the settings' backbone where none is named.

    Raises ConfigError when there is no such preset or backbone, CheckpointError when its checkpoint is not at hand.
    """
    preset = workspace.project().preset
    return ZeroShot(build_segmenter(workspace.settings, preset, backbone or workspace.settings.backbone), preset)


def choose_presegmenter(workspace: Workspace, present: PreSegmenter | None = None) -> PreSegmenter:
    """The project's champion where there is one and the settings want it, else MatSAM.

    ``present``, chosen earlier with the same settings, is returned when it is still the right one. Raises
    CheckpointError when the champion's files or its base are not at hand, or it has other phases than the project;
    ConfigError when there is no such preset or backbone; TrackingError when MLflow does not answer though this home has
    a champion.
    """
    if workspace.settings.pre_segmentation == "matsam" or not _may_have_champion(workspace):
        return present if isinstance(present, ZeroShot) else zero_shot(workspace)
    # MLflow takes seconds to import, which homes without a model need not pay.
    from matcurate.workflows.versions import load_files_of, open_registry

    registry = open_registry(workspace)
    version = registry.by_alias(CHAMPION)
    if version is None:
        return present if isinstance(present, ZeroShot) else zero_shot(workspace)
    if present is not None and present.version == version.name:
        return present
    return learned(workspace, version.name, load_files_of(registry, version))


def open_presegmenter(workspace: Workspace, backbone: str | None = None) -> PreSegmenter:
    """MatSAM on a backbone that a person has named, else what :func:`choose_presegmenter` chooses; errors as there."""
    return choose_presegmenter(workspace) if backbone is None else zero_shot(workspace, backbone)


def learned(workspace: Workspace, version: str, files: VersionFiles) -> Learned:
    """A version of the registry, ready to segment; raises CheckpointError when base or phases do not fit."""
    from matcurate.learned.families import FAMILIES
    from matcurate.workflows.home import backbone_of

    card, phases = files.adapter.card, workspace.project().classes
    if card.phases != phases:
        raise CheckpointError(
            f"{version} knows the phases {', '.join(card.phases)}, the project {', '.join(phases)}; "
            "promote a version of this project, or set pre_segmentation: matsam"
        )
    model = files.adapter.model(backbone_of(workspace, card.backbone))
    method = FAMILIES[files.adapter.family].method
    settings = {"adapter": card.tensors_sha256, "phases": card.phases, "model": card.settings.model_dump(mode="json")}
    facts = VersionFacts(card.backbone, card.base_sha256, "", settings)
    return Learned(version, facts, model, files.evidence, card.prior, method=method)


def _may_have_champion(workspace: Workspace) -> bool:
    """Whether there is a store of model versions; none is created only to find it empty.

    A server that does not answer counts as empty where this home has promoted nothing, else raises TrackingError.
    """
    uri = workspace.settings.resolved_tracking_uri
    state = state_of(uri)
    if state != "silent":
        return state == "there"
    with workspace.reading() as session:
        moves = alias_history(session, workspace.project().id)
    if any(move.alias == CHAMPION for move in moves):
        raise TrackingError(
            f"MLflow at {uri} does not answer, and the champion is there; start it ('curate up'), or set "
            "pre_segmentation: matsam"
        )
    return False
