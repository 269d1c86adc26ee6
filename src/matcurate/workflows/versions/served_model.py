"""A model version behind ``mlflow models serve``: images in, masks and uncertainty out.

MLflow imports this module by its name and calls :func:`_load_pyfunc`. Requests and answers are JSON records, one
for each image; see :data:`TAKES` and :data:`ANSWERS`.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol, TypedDict

import numpy as np

from matcurate.config import load_settings
from matcurate.errors import UnreadableImageError
from matcurate.imaging.ignored import frame_within, ignored_of, looked_at, spread_out
from matcurate.imaging.labels import encode_labels
from matcurate.imaging.proxy import encode_png
from matcurate.imaging.read import decode_micrograph
from matcurate.learned.evidence import predict_with_vacuity
from matcurate.learned.segmentation import segmentation_of
from matcurate.phase.constrained import AreaPrior, follow
from matcurate.phase.inference import phase_shares
from matcurate.phase.model import SegmentationModel
from matcurate.phase.ratios import Ratio, no_ratio
from matcurate.phase.samples import grey_levels
from matcurate.promptable.registry import load_backbone
from matcurate.tracking.pyfunc import Column, write_pyfunc
from matcurate.types import Trust
from matcurate.uncertainty.pixels import PixelHead
from matcurate.workflows.versions.files import read_version_files

TAKES = (
    Column("image", "string"),
    Column("ratio", "numbers", required=False),
    Column("trust", "string", required=False),
)
"""``image``: base64 of a PNG, JPEG or TIFF file (its first page). ``ratio``: area fractions of all phases in the order
of their ids, matrix first, sum 1; all 0, empty, or left out of all rows where nobody gave any. ``trust``: ``measured``,
then the areas meet the ratio fully, or ``guess`` (the default), then it is weighed against the model's estimate."""
ANSWERS = (
    Column("mask", "string"),
    Column("phases", "strings"),
    Column("fractions", "numbers"),
    Column("uncertainty", "string"),
    Column("mean_uncertainty", "number"),
    Column("uncertainty_kind", "string"),
)
"""``mask``: base64 of an 8-bit PNG of phase ids, of the image's size. ``phases``: names by id. ``fractions``: area
fractions of the mask, of what is no data bar or scale bar. ``uncertainty``: base64 of an 8-bit PNG, 255 stands for 1.
``uncertainty_kind``: what it is."""
VACUITY = "vacuity"
"""Lack of evidence, by the version's head of evidence."""
MAX_SOFTMAX = "1 - max softmax"
"""Uncertainty of a version without such a head: it may be low for a texture never seen."""


class Table(Protocol):
    """Input from MLflow: a pandas.DataFrame."""

    def to_dict(self, orient: str) -> list[dict[str, object]]:
        """Rows as dictionaries, for the orientation ``records``."""


class Segmented(TypedDict):
    """One image's answer; see :data:`ANSWERS`."""

    mask: str
    phases: list[str]
    fractions: list[float]
    uncertainty: str
    mean_uncertainty: float
    uncertainty_kind: str


class ServedModel:
    """A loaded version, as MLflow wants it; ``phases`` are names by id."""

    def __init__(
        self,
        model: SegmentationModel,
        phases: Sequence[str],
        evidence: PixelHead | None,
        max_megapixels: float,
        prior: AreaPrior | None = None,
    ) -> None:
        self._prior = prior
        self._model = model
        self._evidence = evidence
        self._phases = tuple(phases)
        self._max_megapixels = max_megapixels

    def predict(self, model_input: Table) -> list[Segmented]:
        """Answer rows of :data:`TAKES`, in their order.

        Raises UnreadableImageError when an image is not base64 of one we can read, or a ratio has another length or
        sum; it names the row.
        """
        return [self._answer(row, f"image {index}") for index, row in enumerate(model_input.to_dict("records"))]

    def _answer(self, row: dict[str, object], name: str) -> Segmented:
        try:
            data = base64.b64decode(str(row["image"]), validate=True)
        except ValueError as error:
            raise UnreadableImageError(f"{name}: not base64 ({error}); send the file's bytes as base64") from error
        micrograph = decode_micrograph(data, name, max_megapixels=self._max_megapixels)
        ignored = ignored_of(micrograph)
        grey, ratio = grey_levels(looked_at(micrograph.pixels, ignored)), self._ratio(row.get("ratio"), name)
        if self._evidence is None:
            shares = phase_shares(self._model, grey, ratio)
            uncertainty = 1 - shares.max(axis=0)
        else:
            prediction = predict_with_vacuity(self._model, self._evidence, grey, ratio)
            shares, uncertainty = prediction.shares, prediction.vacuity
        if ratio.any():
            counted = None if ignored is None else ~ignored[frame_within(ignored, ignored.shape).inside]
            shares = follow(shares, ratio / ratio.sum(), self._trust(row.get("trust"), name), self._prior, counted)
        segmentation = segmentation_of(shares, ignored)
        uncertainty = spread_out(uncertainty, ignored)
        return Segmented(
            mask=_text(encode_labels(segmentation.phases, ".png")),
            phases=list(self._phases),
            fractions=[segmentation.phase_fractions.get(phase, 0.0) for phase in range(len(self._phases))],
            uncertainty=_text(encode_png(np.rint(uncertainty * 255).astype(np.uint8))),
            mean_uncertainty=float(uncertainty.mean(where=True if ignored is None else ~ignored)),
            uncertainty_kind=MAX_SOFTMAX if self._evidence is None else VACUITY,
        )

    def _trust(self, given: object, name: str) -> Trust:
        if given in (None, "", "guess"):
            return "guess"
        if given == "measured":
            return "measured"
        raise UnreadableImageError(f"{name}: its trust is {given!r}; write 'measured' or 'guess', or leave it out")

    def _ratio(self, given: object, name: str) -> Ratio:
        ratio = np.asarray([] if given is None else given, dtype=np.float64)
        if not ratio.size:
            return no_ratio(len(self._phases))
        right = ratio.shape == (len(self._phases),) and bool((ratio >= 0).all())
        if not right or not (ratio.sum() == 0 or abs(ratio.sum() - 1) < 0.01):
            raise UnreadableImageError(
                f"{name}: its ratio is {ratio.tolist()}; give one fraction for each of {', '.join(self._phases)}, "
                "not negative, with sum 1, or none at all"
            )
        return ratio


def served_model(folder: Path) -> ServedModel:
    """The version whose files are in a folder, on the base that it was trained on.

    The built-in network is in the package; an official SAM is looked for in the checkpoint store of the home
    (``$CURATE_HOME``, else ``./.curate``), and has to have the digest that the adapter names. Raises CheckpointError
    when the adapter is damaged, or its base is missing or another.
    """
    settings = load_settings()
    files = read_version_files(folder, str(folder))
    card = files.adapter.card
    backbone = load_backbone(card.backbone, settings.resolved_cache_dir, cache_gib=settings.cache_gib)
    return ServedModel(files.adapter.model(backbone), card.phases, files.evidence, settings.max_megapixels, card.prior)


def write_served_files(folder: Path) -> None:
    """Make a folder for a version's files that MLflow can serve once the adapter is in it."""
    write_pyfunc(folder, __name__, TAKES, ANSWERS)


def _load_pyfunc(data_path: str) -> ServedModel:
    """Called by MLflow with the folder of the version's files."""
    return served_model(Path(data_path))


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()
