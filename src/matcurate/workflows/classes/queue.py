"""What the head makes of micrographs that nobody has named: the "new class?" queue, and crops to look at."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from matcurate.catalog.class_records import Box, ClassRecord, RegionRecord
from matcurate.catalog.micrographs import list_for_project
from matcurate.catalog.records import MicrographRecord
from matcurate.errors import CatalogError, ConfigError
from matcurate.files import replace_file
from matcurate.imaging.proxy import encode_png, to_uint8
from matcurate.types import Progress, silent
from matcurate.uncertainty.classifier import EXAMPLES, SIMILAR, Gallery, PatchAnswer, PatchClassifier, most_unknown
from matcurate.workflows.classes.classes import Known, known_classes, shown_by
from matcurate.workflows.classes.crops import CropEmbeddings, crop_boxes, cut, open_embeddings
from matcurate.workflows.classes.heads import fits, load_class_head
from matcurate.workflows.home import Workspace, load_original


@dataclass(frozen=True, slots=True)
class Crop:
    """A crop that a class was learned from."""

    micrograph_id: int
    box: Box


@dataclass(frozen=True, slots=True)
class Likeness:
    """A class like a micrograph: its mean probability over the crops, and the crops of it that are most alike."""

    name: str
    probability: float
    examples: tuple[Crop, ...]


@dataclass(frozen=True, slots=True)
class RegionAnswer:
    """A region of one texture: a box in it, the share of the micrograph it covers, median vacuity, similar classes."""

    box: Box
    share: float
    vacuity: float
    similar: tuple[Likeness, ...]


@dataclass(frozen=True, slots=True)
class Unnamed:
    """A micrograph that nobody has named: vacuity of its least known region, and the classes like that, best first.

    ``regions`` has the least known first; it is empty before the first class is named.
    """

    micrograph_id: int
    name: str
    vacuity: float
    similar: tuple[Likeness, ...]
    regions: tuple[RegionAnswer, ...] = ()


@dataclass(frozen=True, slots=True)
class ClassSummary:
    """A class, and how many micrographs show it."""

    record: ClassRecord
    micrographs: int


@dataclass(frozen=True, slots=True)
class ClassOverview:
    """Classes; unnamed micrographs that may be of a new one, least known first; and those that are recognised.

    ``threshold`` is None before the first class is named: then everything may be new. ``problems`` has one line for
    each micrograph that cannot be asked about.
    """

    classes: tuple[ClassSummary, ...]
    threshold: float | None
    queue: tuple[Unnamed, ...]
    recognised: tuple[Unnamed, ...]
    problems: tuple[str, ...]


class ClassExpert:
    """The head that counts, with the crops it was taught.

    Parameters
    ----------
    workspace : Workspace
        The open installation.
    known : Known
        With a head.
    embeddings : CropEmbeddings
        Of the settings.

    Raises
    ------
    ConfigError
        When the head was trained on other embeddings than the settings make.
    """

    def __init__(self, workspace: Workspace, known: Known, embeddings: CropEmbeddings) -> None:
        if known.head is None or not fits(workspace, known.head, embeddings):
            raise ConfigError(
                "backbone or classes.crop are other ones than the classes were learned with; set them back, or name a "
                "micrograph again: 'curate classes name' then learns all classes anew"
            )
        self._embeddings = embeddings
        head = load_class_head(workspace, known.head)
        shown = shown_by(workspace, known.members, embeddings)
        with workspace.reading() as session:
            records = {each.id: each for each in list_for_project(session, workspace.project().id)}
        self._crops = [
            Crop(member.micrograph_id, place)
            for member in known.members
            for place in embeddings.places(records[member.micrograph_id], member.box)
        ]
        self._names = np.repeat([each.name for each in shown], [len(each.embeddings) for each in shown])
        labels = np.array([head.classes.index(name) for name in self._names])
        gallery = Gallery(np.concatenate([each.embeddings for each in shown]), labels)
        self._classifier = PatchClassifier(embeddings.embedder, head, gallery)

    def answers(
        self, micrograph: MicrographRecord, similar: int, examples: int
    ) -> list[tuple[RegionRecord, PatchAnswer]]:
        """What each region of a micrograph shows, the least known first; examples are places among the crops."""
        found = [
            (region, self._classifier.together(self._embeddings.of_box(micrograph, region.box), similar, examples))
            for region in self._embeddings.regions(micrograph)
        ]
        return sorted(found, key=lambda each: -each[1].vacuity)

    def likenesses(self, answer: PatchAnswer) -> tuple[Likeness, ...]:
        """The classes of an answer, with the crops themselves."""
        return tuple(
            Likeness(each.name, each.probability, tuple(self._crops[place] for place in each.examples))
            for each in answer.similar
        )

    def of_class(self, name: str, count: int) -> tuple[Crop, ...]:
        """Crops of a class, spread over the micrographs that show it."""
        own = np.flatnonzero(self._names == name)
        spread = np.linspace(0, len(own) - 1, min(count, len(own))).round().astype(int)
        return tuple(self._crops[place] for place in own[spread])


def overview(
    workspace: Workspace, *, similar: int = SIMILAR, examples: int = EXAMPLES, progress: Progress = silent
) -> ClassOverview:
    """Classes of the project, and what the head makes of every micrograph that nobody has named.

    The golden set is left out: nothing is taught from it.

    Parameters
    ----------
    workspace : Workspace
        The open installation.
    similar, examples : int
        K', classes that are named for each micrograph, and crops of each.
    progress : Progress
        Told of micrographs asked about.

    Raises
    ------
    ConfigError
        When the settings are not those that the classes were learned with.
    """
    known = known_classes(workspace)
    named = {member.micrograph_id for member in known.members}
    with workspace.reading() as session:
        listed = list_for_project(session, workspace.project().id)
    asked = [each for each in listed if each.id not in named and not each.golden]
    classes = tuple(
        ClassSummary(each, len({member.micrograph_id for member in known.members_of(each.name)}))
        for each in known.classes
    )
    if known.head is None:
        return ClassOverview(classes, None, tuple(Unnamed(each.id, each.name, 1.0, ()) for each in asked), (), ())
    expert, problems = ClassExpert(workspace, known, open_embeddings(workspace)), []
    answers: list[PatchAnswer] = []
    found: list[Unnamed] = []
    for done, each in enumerate(asked):
        progress(done, len(asked), each.name)
        try:
            regions = expert.answers(each, similar, examples)
        except (CatalogError, ConfigError) as error:
            problems.append(f"micrograph {each.id} ({each.name}): {error}")
            continue
        answers.append(regions[0][1])
        told = tuple(
            RegionAnswer(region.box, region.share, answer.vacuity, expert.likenesses(answer))
            for region, answer in regions
        )
        found.append(Unnamed(each.id, each.name, told[0].vacuity, told[0].similar, told))
    threshold = known.head.threshold
    queue = most_unknown(answers, threshold)
    recognised = tuple(each for place, each in enumerate(found) if place not in queue)
    return ClassOverview(classes, threshold, tuple(found[place] for place in queue), recognised, tuple(problems))


def write_examples(workspace: Workspace, wanted: str, out: Path, count: int = 6) -> tuple[Path, ...]:
    """Write crops as PNG: of a class by its name; or, by the id of a micrograph, its own and those most like it.

    Of a micrograph with several regions it is the least known one.

    Returns
    -------
    tuple of Path
        ``CLASS_MICROGRAPH_ROW_COLUMN.png``, in ``out``.

    Raises
    ------
    CatalogError
        When there is no such class or micrograph, or no class at all.
    """
    known = known_classes(workspace)
    if known.head is None:
        raise CatalogError("no class has been named yet; 'curate classes name NAME ID' names the first")
    expert = ClassExpert(workspace, known, open_embeddings(workspace))
    if wanted.isdigit():
        with workspace.reading() as session:
            (record,) = list_for_project(session, workspace.project().id, ids=[int(wanted)])
        region, answer = expert.answers(record, SIMILAR, count)[0]
        own = crop_boxes(region.box, workspace.settings.classes)
        crops = [("asked", Crop(record.id, each)) for each in own[:: max(1, len(own) // count)][:count]]
        for like in expert.likenesses(answer):
            crops += [(like.name, each) for each in like.examples]
    else:
        if wanted not in known.names:
            raise CatalogError(f"no class {wanted!r}; there are: {', '.join(known.names)}")
        crops = [(wanted, each) for each in expert.of_class(wanted, count)]
    out.mkdir(parents=True, exist_ok=True)
    return tuple(_written(workspace, out, name, crop) for name, crop in crops)


def _written(workspace: Workspace, out: Path, name: str, crop: Crop) -> Path:
    with workspace.reading() as session:
        (record,) = list_for_project(session, workspace.project().id, ids=[crop.micrograph_id])
    pixels = cut(to_uint8(load_original(workspace, record).pixels), crop.box)
    plain = re.sub(r"[^\w.-]+", "_", name)
    path = out / f"{plain}_{record.id}_{crop.box.top}_{crop.box.left}.png"
    replace_file(path, encode_png(np.ascontiguousarray(pixels)))
    return path
