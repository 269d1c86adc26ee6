"""The expert's phase ratios: task-level Number fields ``ratio_1``, ``ratio_2``, … of the labelling page."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, get_args

from pydantic import ValidationError

from matcurate.config import first_problem
from matcurate.errors import AnnotationError
from matcurate.labelstudio.config import AREAS_NAME, TRUST_NAME, LabellingConfig
from matcurate.types import Trust

if TYPE_CHECKING:  # it brings scikit-image, which snapshots and lists of versions need not
    from matcurate.labelstudio.regions import Region, StoredRegion

Ratios = tuple[float | None, ...]
"""Area fraction of class id 1, 2, …, None where not given."""
Item = Mapping[str, object]
CHOICE = ("choices", TRUST_NAME)
"""Type and name of the item that says how far the ratios can be trusted."""
DECIMALS = 3
"""Of a ratio on the page."""


@dataclass(frozen=True, slots=True)
class Draft:
    """What an expert has drawn and typed but not submitted; ``updated_at`` as Label Studio writes it (ISO 8601)."""

    result: Sequence[Item]
    updated_at: str = ""


def ratio_of(region: StoredRegion) -> float:
    """Value of a ratio field; AnnotationError unless it is a number in [0, 1]."""
    number = region.value.get("number")
    if isinstance(number, bool) or not isinstance(number, int | float) or not 0 <= number <= 1:
        raise AnnotationError(f"{region.from_name} is {number!r}; a phase ratio lies between 0 and 1, correct it")
    return float(number)


def ratios_in(result: Iterable[Item], config: LabellingConfig, *, where: str) -> Ratios | None:
    """Read the ratios in the ``result`` of an annotation, a draft or the page's context; None when none is given.

    Everything else in it is left alone, damaged or not. ``where`` names the source in messages. Raises AnnotationError
    when a ratio lies outside of [0, 1].
    """
    from matcurate.labelstudio.regions import StoredRegion

    ratios: dict[str, float] = {}
    for item in result:
        if item.get("type") != "number" or item.get("from_name") not in config.ratios:
            continue
        try:
            region = StoredRegion.model_validate(item)
            ratios[region.from_name] = ratio_of(region)
        except ValidationError as error:
            raise AnnotationError(f"{where}: {first_problem(error)}") from error
        except AnnotationError as error:
            raise AnnotationError(f"{where}: {error}") from error
    return tuple(ratios.get(name) if name else None for name in config.ratios) if ratios else None


def asked_ratios(
    context: Mapping[str, object] | None, drafts: Sequence[Draft], config: LabellingConfig
) -> Ratios | None:
    """Read the ratios that an expert has on the page while asking for a new prediction; None when none is given.

    The page's context (``params.context.result`` of an interactive /predict, None when a task is merely opened) counts
    before the expert's drafts, and a newer draft before an older one, field by field: the page sends only what it
    deems changed. Raises AnnotationError when a ratio lies outside of [0, 1].
    """
    given = [
        ratios
        for name, items in _sources(context, drafts)
        if (ratios := ratios_in(items, config, where=name)) is not None
    ]
    if not given:
        return None
    return tuple(next((r for r in column if r is not None), None) for column in zip(*given, strict=True))


def asked_trust(context: Mapping[str, object] | None, drafts: Sequence[Draft]) -> Trust:
    """Read how far the ratios are to be trusted, from the same sources; a guess where nothing is chosen."""
    items = (item for _, result in _sources(context, drafts) for item in result)
    values = (item.get("value") for item in items if (item.get("type"), item.get("from_name")) == CHOICE)
    chosen = (value.get("choices") for value in values if isinstance(value, Mapping))
    trusts = (each for choices in chosen if isinstance(choices, list) for each in choices if each in get_args(Trust))
    return "measured" if next(trusts, "guess") == "measured" else "guess"


def areas_region(text: str, config: LabellingConfig) -> Region | None:
    """Text that the page shows beside the ratios; None where its labelling configuration has no field for it."""
    if not config.states_areas:
        return None
    value: dict[str, object] = {"text": [text]}
    return {"id": AREAS_NAME, "type": "textarea", "from_name": AREAS_NAME, "to_name": config.image, "value": value}


def open_where_same(ratios: Ratios, shown: Sequence[float]) -> Ratios | None:
    """Ratios without those that stand in the fields as a prediction has put them there; None when none is left."""
    changed = tuple(
        None if ratio is None or round(ratio, DECIMALS) == round(fraction, DECIMALS) else ratio
        for ratio, fraction in zip(ratios, shown, strict=True)
    )
    return None if all(ratio is None for ratio in changed) else changed


def same_on_the_page(ratios: Mapping[str, float], fractions: Mapping[str, float]) -> bool:
    """Whether the expert left all ratios as a prediction had put them into the fields."""
    return all(round(fractions.get(name, 0.0), DECIMALS) == round(ratio, DECIMALS) for name, ratio in ratios.items())


def _sources(context: Mapping[str, object] | None, drafts: Sequence[Draft]) -> Iterator[tuple[str, list[Item]]]:
    """Results that an expert has on the page, those that count first, each with its name in messages."""
    yield "the page", _items((context or {}).get("result"))
    for draft in sorted(drafts, key=lambda draft: draft.updated_at, reverse=True):
        yield "a draft", _items(draft.result)


def _items(result: object) -> list[Item]:
    return [item for item in result if isinstance(item, Mapping)] if isinstance(result, list | tuple) else []
