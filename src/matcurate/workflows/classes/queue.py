"""Classify micrographs that nobody has named: the "new class?" queue, and example crops."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from matcurate.catalog import Box, ClassRecord, MicrographRecord, RegionRecord, list_micrographs
from matcurate.errors import CatalogError, ConfigError
from matcurate.files import replace_file
from matcurate.imaging.proxy import encode_png, to_uint8
from matcurate.types import Pixels, Progress, silent
from matcurate.uncertainty.classifier import EXAMPLES, SIMILAR, Gallery, PatchAnswer, PatchClassifier, most_unknown
from matcurate.workflows.classes.classes import KnownClasses, known_classes, labelled_crops
from matcurate.workflows.classes.crops import CropEmbeddings, crop_boxes, cut, open_embeddings
from matcurate.workflows.classes.heads import fits, load_class_head
from matcurate.workflows.home import Workspace, load_original


@dataclass(frozen=True, slots=True)
class Crop:
    """A crop that a class was learned from."""

    micrograph_id: int
    box: Box


@dataclass(frozen=True, slots=True)
class SimilarClass:
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
    similar: tuple[SimilarClass, ...]


@dataclass(frozen=True, slots=True)
class UnnamedMicrograph:
    """A micrograph that nobody has named: vacuity of its least known region, and the classes like that, best first.

    ``regions`` has the least known first; it is empty before the first class is named.
    """

    micrograph_id: int
    name: str
    vacuity: float
    similar: tuple[SimilarClass, ...]
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
    each micrograph that cannot be classified.
    """

    classes: tuple[ClassSummary, ...]
    threshold: float | None
    queue: tuple[UnnamedMicrograph, ...]
    recognised: tuple[UnnamedMicrograph, ...]
    problems: tuple[str, ...]


class ClassExpert:
    """The head in use, with the crops that it was trained on.

    Raises ConfigError when the head was trained on other embeddings than the settings make.
    """

    def __init__(self, workspace: Workspace, state: KnownClasses, embeddings: CropEmbeddings) -> None:
        if state.head is None or not fits(workspace, state.head, embeddings):
            raise ConfigError(
                "backbone or classes.crop are other ones than the classes were learned with; set them back, or name a "
                "micrograph again: 'curate classes name' then learns all classes again"
            )
        self._embeddings = embeddings
        head = load_class_head(workspace, state.head)
        labelled = labelled_crops(workspace, state.members, embeddings)
        with workspace.reading() as session:
            records = {each.id: each for each in list_micrographs(session, workspace.project().id)}
        self._crops = [
            Crop(member.micrograph_id, box)
            for member in state.members
            for box in embeddings.boxes(records[member.micrograph_id], member.box)
        ]
        self._names = np.repeat([each.name for each in labelled], [len(each.embeddings) for each in labelled])
        labels = np.array([head.classes.index(name) for name in self._names])
        gallery = Gallery(np.concatenate([each.embeddings for each in labelled]), labels)
        self._classifier = PatchClassifier(embeddings.embedder, head, gallery)

    def answers(
        self, micrograph: MicrographRecord, similar: int, examples: int
    ) -> list[tuple[RegionRecord, PatchAnswer]]:
        """Classify each region of a micrograph, the least known first; examples are indices of its crops."""
        answers = [
            (region, self._classifier.together(self._embeddings.of_box(micrograph, region.box), similar, examples))
            for region in self._embeddings.regions(micrograph)
        ]
        return sorted(answers, key=lambda pair: -pair[1].vacuity)

    def of_pixels(self, pixels: Pixels, box: Box, similar: int) -> PatchAnswer:
        """Classify what a box of an image (H, W) shows, which need not be in the catalog."""
        return self._classifier.together(self._embeddings.of_pixels(pixels, box), similar, 0)

    def similar_classes(self, answer: PatchAnswer) -> tuple[SimilarClass, ...]:
        """The classes of an answer, with the crops themselves."""
        return tuple(
            SimilarClass(match.name, match.probability, tuple(self._crops[index] for index in match.examples))
            for match in answer.similar
        )

    def of_class(self, name: str, count: int) -> tuple[Crop, ...]:
        """Crops of a class, spread over the micrographs that show it."""
        own = np.flatnonzero(self._names == name)
        spread = np.linspace(0, len(own) - 1, min(count, len(own))).round().astype(int)
        return tuple(self._crops[index] for index in own[spread])


def overview(
    workspace: Workspace, *, similar: int = SIMILAR, examples: int = EXAMPLES, progress: Progress = silent
) -> ClassOverview:
    """List the classes of the project, and classify every micrograph that nobody has named.

    ``similar`` is K', the number of classes named for each micrograph, ``examples`` that of crops of each. The golden
    set is left out: it is never trained on. Raises ConfigError when the settings are not those that the classes were
    learned with.
    """
    state = known_classes(workspace)
    named = {member.micrograph_id for member in state.members}
    with workspace.reading() as session:
        listed = list_micrographs(session, workspace.project().id)
    candidates = [each for each in listed if each.id not in named and not each.golden]
    classes = tuple(
        ClassSummary(each, len({member.micrograph_id for member in state.members_of(each.name)}))
        for each in state.classes
    )
    if state.head is None:
        return ClassOverview(
            classes, None, tuple(UnnamedMicrograph(each.id, each.name, 1.0, ()) for each in candidates), (), ()
        )
    expert, problems = ClassExpert(workspace, state, open_embeddings(workspace)), []
    answers: list[PatchAnswer] = []
    micrographs: list[UnnamedMicrograph] = []
    for done, each in enumerate(candidates):
        progress(done, len(candidates), each.name)
        try:
            regions = expert.answers(each, similar, examples)
        except (CatalogError, ConfigError) as error:
            problems.append(f"micrograph {each.id} ({each.name}): {error}")
            continue
        answers.append(regions[0][1])
        region_answers = tuple(
            RegionAnswer(region.box, region.share, answer.vacuity, expert.similar_classes(answer))
            for region, answer in regions
        )
        micrographs.append(
            UnnamedMicrograph(each.id, each.name, region_answers[0].vacuity, region_answers[0].similar, region_answers)
        )
    threshold = state.head.threshold
    queue = most_unknown(answers, threshold)
    recognised = tuple(each for index, each in enumerate(micrographs) if index not in queue)
    return ClassOverview(classes, threshold, tuple(micrographs[index] for index in queue), recognised, tuple(problems))


def write_examples(workspace: Workspace, wanted: str, out: Path, count: int = 6) -> tuple[Path, ...]:
    """Write crops as PNG: of a class by its name; or, by the id of a micrograph, its own and those most like it.

    Of a micrograph with several regions it is the least known one. Files are named ``CLASS_MICROGRAPH_ROW_COLUMN.png``.
    Raises CatalogError when there is no such class or micrograph, or no class at all.
    """
    state = known_classes(workspace)
    if state.head is None:
        raise CatalogError("no class has been named yet; 'curate classes name NAME ID' names the first")
    expert = ClassExpert(workspace, state, open_embeddings(workspace))
    if wanted.isdigit():
        with workspace.reading() as session:
            (record,) = list_micrographs(session, workspace.project().id, ids=[int(wanted)])
        region, answer = expert.answers(record, SIMILAR, count)[0]
        own = crop_boxes(region.box, workspace.settings.classes)
        crops = [("asked", Crop(record.id, each)) for each in own[:: max(1, len(own) // count)][:count]]
        for like in expert.similar_classes(answer):
            crops += [(like.name, example) for example in like.examples]
    else:
        if wanted not in state.names:
            raise CatalogError(f"no class {wanted!r}; there are: {', '.join(state.names)}")
        crops = [(wanted, each) for each in expert.of_class(wanted, count)]
    out.mkdir(parents=True, exist_ok=True)
    return tuple(_written(workspace, out, name, crop) for name, crop in crops)


def _written(workspace: Workspace, out: Path, name: str, crop: Crop) -> Path:
    with workspace.reading() as session:
        (record,) = list_micrographs(session, workspace.project().id, ids=[crop.micrograph_id])
    pixels = cut(to_uint8(load_original(workspace, record).pixels), crop.box)
    plain = re.sub(r"[^\w.-]+", "_", name)
    path = out / f"{plain}_{record.id}_{crop.box.top}_{crop.box.left}.png"
    replace_file(path, encode_png(np.ascontiguousarray(pixels)))
    return path
