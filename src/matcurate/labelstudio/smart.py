"""Smart controls of the page: key points and boxes that are questions to the backend, and the regions it suggests."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal
from xml.etree.ElementTree import Element, SubElement

from matcurate.errors import AnnotationError

if TYPE_CHECKING:  # it brings OpenCV and scikit-image, which settings and lists need not
    from matcurate.labelstudio.regions import StoredRegion

SMART_POINT, SMART_BOX = "smart_point", "smart_box"
"""Names of the controls that we write."""
FOLLOW_LABEL = "follow the area fractions"
"""Label of a smart point that requests all masks again, as the area fractions in the number fields have them."""
HEADING = "Smart tool: click on an object (Alt takes away), or draw a box around it"
FOLLOW_COLOUR = "#111111"
SMART_TAGS = ("KeyPointLabels", "RectangleLabels")
DRAWING_TAGS = ("BrushLabels", "BitmaskLabels", "PolygonLabels", "EllipseLabels")

Kind = Literal["keypointlabels", "rectanglelabels"]
KINDS: tuple[Kind, ...] = ("keypointlabels", "rectanglelabels")
Percent = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Prompts:
    """What an expert points at: one label, points in percent of width and height, and boxes around objects.

    ``points`` are (x, y), ``positive`` says of each whether it belongs to the object; ``boxes`` are two opposite
    corners (x0, y0), (x1, y1). ``region`` names the region that answers: the same while points are added, so that an
    answer replaces the one before it. ``size`` is that of the image on the page, (width, height).
    """

    label: str
    points: tuple[Percent, ...]
    positive: tuple[bool, ...]
    boxes: tuple[tuple[Percent, Percent], ...]
    region: str
    size: tuple[int, int]


def is_smart(tag: Element) -> bool:
    """Whether a control's points or boxes are questions, never labels of pixels."""
    return tag.tag in SMART_TAGS and tag.get("smart") == "true"


def add_smart_controls(root: Element, labels: Sequence[Element], image: str, after: Element, follow: bool) -> None:
    """Add smart points and boxes with copies of ``labels`` behind the control ``after``.

    Every drawing control becomes ``smart="false"``: else the page's one smart button is a brush, which requests
    nothing. Without ``smartOnly`` the page offers a plain tool beside each, whose points request nothing either.
    ``follow`` adds the label that requests masks that follow the ratios.
    """
    for tag in root.iter():
        if tag.tag in DRAWING_TAGS and tag.get("smart") is None:
            tag.set("smart", "false")
    parent = next(tag for tag in root.iter() if after in list(tag))
    place = list(parent).index(after) + 1
    parent.insert(place, Element("Header", value=HEADING, size="6"))
    for number, (kind, name) in enumerate(zip(SMART_TAGS, (SMART_POINT, SMART_BOX), strict=True)):
        control = Element(kind, name=name, toName=image, smart="true", smartOnly="true")
        for label in labels:
            copied = deepcopy(label)
            copied.attrib.pop("hotkey", None)  # a key chooses one label only
            control.append(copied)
        if follow and kind == "KeyPointLabels":
            SubElement(control, "Label", value=FOLLOW_LABEL, background=FOLLOW_COLOUR)
        parent.insert(place + 1 + number, control)


def prompts_in(context: Mapping[str, object] | None) -> Prompts | None:
    """Read smart points and boxes in the page's context; None where it has none.

    Those of the label that was placed last count. Raises AnnotationError when one of them is damaged.
    """
    items = [region for region in _smart_regions(context) if region.label()]
    if not items:
        return None
    label, last = items[-1].label(), items[-1]
    asked = [item for item in items if item.label() == label]
    if last.original_width is None or last.original_height is None:
        raise AnnotationError("a smart point without the size of its image; open the task again")
    points = [item for item in asked if item.type == "keypointlabels"]
    return Prompts(
        label,
        tuple((_number(item, "x"), _number(item, "y")) for item in points),
        tuple(item.is_positive for item in points),
        tuple(_corners(item) for item in asked if item.type == "rectanglelabels"),
        f"smart-{asked[0].id}",
        (last.original_width, last.original_height),
    )


def _smart_regions(context: Mapping[str, object] | None) -> Iterator[StoredRegion]:
    from pydantic import ValidationError

    from matcurate.config import first_problem
    from matcurate.labelstudio.regions import StoredRegion

    result = (context or {}).get("result")
    for item in result if isinstance(result, list) else []:
        if isinstance(item, Mapping) and item.get("type") in KINDS:
            try:
                yield StoredRegion.model_validate(item)
            except ValidationError as error:
                raise AnnotationError(f"the page: {first_problem(error)}; click again") from error


def _corners(box: StoredRegion) -> tuple[Percent, Percent]:
    left, top = _number(box, "x"), _number(box, "y")
    return (left, top), (left + _number(box, "width"), top + _number(box, "height"))


def _number(item: StoredRegion, name: str) -> float:
    value = item.value.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not -1000 <= value <= 1000:
        raise AnnotationError(f"{name} of a smart point or box is {value!r}, no percentage; click again")
    return float(value)
