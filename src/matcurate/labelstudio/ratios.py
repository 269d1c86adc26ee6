"""The expert's phase ratios: task-level Number fields ``ratio_1``, ``ratio_2``, … of the labelling page."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import ValidationError

from matcurate.config import first_problem
from matcurate.errors import AnnotationError
from matcurate.labelstudio.config import LabellingConfig

if TYPE_CHECKING:  # it brings scikit-image, which snapshots and lists of versions need not
    from matcurate.labelstudio.regions import StoredRegion

Ratios = tuple[float | None, ...]
"""Area fraction of class id 1, 2, …, None where not given."""
Item = Mapping[str, object]
DECIMALS = 3
"""Of a ratio on the page."""


@dataclass(frozen=True, slots=True)
class Draft:
    """What an expert has drawn and typed but not submitted; ``updated_at`` as Label Studio writes it (ISO 8601)."""

    result: Sequence[Item]
    updated_at: str = ""


def ratio_of(region: StoredRegion) -> float:
    """Value of a ratio field, in [0, 1].

    Raises
    ------
    AnnotationError
        When it is another number, or none.
    """
    number = region.value.get("number")
    if isinstance(number, bool) or not isinstance(number, int | float) or not 0 <= number <= 1:
        raise AnnotationError(f"{region.from_name} is {number!r}; a phase ratio lies between 0 and 1, correct it")
    return float(number)


def ratios_in(result: Iterable[Item], config: LabellingConfig, *, where: str) -> Ratios | None:
    """Read the ratios in a ``result``; everything else in it is left alone, damaged or not.

    Parameters
    ----------
    result : iterable of mappings
        Of an annotation, a draft or the page's context.
    config : LabellingConfig
        Of the project.
    where : str
        Names the source in messages.

    Returns
    -------
    tuple of float or None
        One for each phase; None when no ratio is given at all.

    Raises
    ------
    AnnotationError
        When a ratio lies outside of [0, 1].
    """
    from matcurate.labelstudio.regions import StoredRegion

    found: dict[str, float] = {}
    for item in result:
        if item.get("type") != "number" or item.get("from_name") not in config.ratios:
            continue
        try:
            region = StoredRegion.model_validate(item)
            found[region.from_name] = ratio_of(region)
        except ValidationError as error:
            raise AnnotationError(f"{where}: {first_problem(error)}") from error
        except AnnotationError as error:
            raise AnnotationError(f"{where}: {error}") from error
    return tuple(found.get(name) if name else None for name in config.ratios) if found else None


def asked_ratios(
    context: Mapping[str, object] | None, drafts: Sequence[Draft], config: LabellingConfig
) -> Ratios | None:
    """Ratios that an expert has on the page while asking for a new prediction.

    The page's context (``params.context.result`` of an interactive /predict) counts before drafts, and a newer draft
    before an older one, field by field: the page sends only what it deems changed.

    Parameters
    ----------
    context : mapping, optional
        As Label Studio passes it on; None when a task is merely opened.
    drafts : sequence of Draft
        Of the task and the expert.
    config : LabellingConfig
        Of the project.

    Returns
    -------
    tuple of float or None
        One for each phase; None when no ratio is given at all: then every ratio is zero for the model.

    Raises
    ------
    AnnotationError
        When a ratio lies outside of [0, 1].
    """
    shown = (context or {}).get("result")
    sources = [("the page", _items(shown))]
    ordered = sorted(drafts, key=lambda draft: draft.updated_at, reverse=True)
    sources += [("a draft", _items(draft.result)) for draft in ordered]
    given = [ratios for name, items in sources if (ratios := ratios_in(items, config, where=name)) is not None]
    if not given:
        return None
    return tuple(next((r for r in column if r is not None), None) for column in zip(*given, strict=True))


def same_on_the_page(ratios: Mapping[str, float], fractions: Mapping[str, float]) -> bool:
    """Whether all ratios are what a prediction had put into the fields: the expert left them as they were."""
    return all(round(fractions.get(name, 0.0), DECIMALS) == round(ratio, DECIMALS) for name, ratio in ratios.items())


def _items(result: object) -> list[Item]:
    return [item for item in result if isinstance(item, Mapping)] if isinstance(result, list | tuple) else []
