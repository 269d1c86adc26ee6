"""Which regions of the project's micrographs an expert is to name, and which are recognised."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from matcurate.catalog import Box, MemberRecord, MicrographRecord, get_micrograph, list_micrographs
from matcurate.errors import CatalogError, ConfigError
from matcurate.types import Progress, silent
from matcurate.workflows.classes.classes import known_classes
from matcurate.workflows.classes.crops import CropEmbeddings, open_embeddings
from matcurate.workflows.classes.queue import ClassExpert, SimilarClass
from matcurate.workflows.home import Workspace

LEAST_SHARE = 0.02
"""Smaller regions, as part of the micrograph, are not asked about."""
SAME = 0.5
"""Least intersection over union of a named box and a region that is named by it."""
SIMILAR, EXAMPLES = 5, 3
KEY = re.compile(r"(\d+)(?::(\d+),(\d+),(\d+),(\d+))?")


@dataclass(frozen=True, slots=True)
class RegionQuestion:
    """A region that may be of a new class: its micrograph, its box, vacuity in [0, 1], and the most similar classes."""

    micrograph: int
    name: str
    box: Box
    share: float
    vacuity: float
    similar: tuple[SimilarClass, ...] = ()

    @property
    def key(self) -> str:
        """How a person names the region: ``12:0,0,128,256``, micrograph and box."""
        box = self.box
        return f"{self.micrograph}:{box.top},{box.left},{box.height},{box.width}"


@dataclass(frozen=True, slots=True)
class RegionOfClass:
    """A region whose class is known: named by a person, or recognised."""

    micrograph: int
    box: Box
    class_name: str
    recognised: bool = False


@dataclass(frozen=True, slots=True)
class RegionState:
    """Regions of the project at one moment: to be named, least known first; and those of known classes.

    ``problems`` has one line for each micrograph that cannot be used.
    """

    questions: tuple[RegionQuestion, ...]
    settled: tuple[RegionOfClass, ...]
    classes: tuple[str, ...]
    problems: tuple[str, ...] = ()


def parse_name(text: str) -> tuple[int, Box | None, str]:
    """Read ``ID=NAME`` or ``ID:TOP,LEFT,HEIGHT,WIDTH=NAME``; ConfigError when it is neither."""
    key, _, name = text.partition("=")
    match = KEY.fullmatch(key.strip())
    if match is None or not name.strip():
        raise ConfigError(f"{text!r} names no region; write ID=NAME, or ID:TOP,LEFT,HEIGHT,WIDTH=NAME")
    sides = [int(each) for each in match.groups()[1:] if each is not None]
    try:
        return int(match[1]), Box(*sides) if sides else None, name.strip()
    except ValueError as error:
        raise ConfigError(f"{text!r}: {error}") from error


def region_state(workspace: Workspace, progress: Progress = silent) -> RegionState:
    """Find the regions of every micrograph of the project without the golden set, and classify those without a name.

    Raises ConfigError when the settings are not those that the classes were learned with.
    """
    known, embeddings = known_classes(workspace), open_embeddings(workspace)
    with workspace.reading() as session:
        records = [each for each in list_micrographs(session, workspace.project().id) if not each.golden]
    expert = None if known.head is None else ClassExpert(workspace, known, embeddings)
    threshold = 1.0 if known.head is None else known.head.threshold
    questions: list[RegionQuestion] = []
    settled = [RegionOfClass(each.micrograph_id, each.box, each.class_name) for each in known.members]
    problems = []
    for done, record in enumerate(records):
        progress(done, len(records), record.name)
        members = [each for each in known.members if each.micrograph_id == record.id]
        try:
            asked, recognised = _classified(record, members, embeddings, expert, threshold)
        except (CatalogError, ConfigError) as error:
            problems.append(f"micrograph {record.id} ({record.name}): {error}")
            continue
        questions += asked
        settled += recognised
    progress(len(records), len(records))
    questions.sort(key=lambda question: (-question.vacuity, -question.share, question.micrograph))
    return RegionState(tuple(questions), tuple(settled), known.names, tuple(problems))


def region_of(workspace: Workspace, micrograph: int, box: Box | None) -> Box:
    """The box that a name is for: as stated, else that of the only region.

    Raises CatalogError when there is no such micrograph; ConfigError when it has several regions and none is stated.
    """
    if box is not None:
        return box
    with workspace.reading() as session:
        record = get_micrograph(session, micrograph)
    regions = open_embeddings(workspace).regions(record)
    if len(regions) > 1:
        raise ConfigError(
            f"micrograph {micrograph} has {len(regions)} regions; state the box, as 'curate iterate' shows it"
        )
    return regions[0].box


def _classified(
    record: MicrographRecord,
    members: Sequence[MemberRecord],
    embeddings: CropEmbeddings,
    expert: ClassExpert | None,
    threshold: float,
) -> tuple[list[RegionQuestion], list[RegionOfClass]]:
    """Regions of a micrograph without a name: those to be asked about, and those that are recognised."""
    open_regions = [
        region
        for region in embeddings.regions(record)
        if region.share >= LEAST_SHARE and not any(_overlap(region.box, each.box) >= SAME for each in members)
    ]
    if not open_regions:
        return [], []
    if expert is None:
        return [RegionQuestion(record.id, record.name, each.box, each.share, 1.0) for each in open_regions], []
    asked, recognised = [], []
    for region, answer in expert.answers(record, SIMILAR, EXAMPLES):
        if region not in open_regions:
            continue
        if answer.vacuity <= threshold:
            recognised.append(RegionOfClass(record.id, region.box, answer.name, recognised=True))
        else:
            similar = expert.similar_classes(answer)
            asked.append(RegionQuestion(record.id, record.name, region.box, region.share, answer.vacuity, similar))
    return asked, recognised


def _overlap(one: Box, other: Box) -> float:
    """Intersection over union of two boxes."""
    rows = min(one.top + one.height, other.top + other.height) - max(one.top, other.top)
    columns = min(one.left + one.width, other.left + other.width) - max(one.left, other.left)
    shared = max(rows, 0) * max(columns, 0)
    return shared / (one.height * one.width + other.height * other.width - shared)
