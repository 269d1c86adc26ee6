"""Labelling configurations: the one we write for a project, and what we can use of one that a lab made."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from typing import Literal, get_args
from xml.etree.ElementTree import Element, ParseError, SubElement, TreeBuilder, XMLParser, fromstring, indent, tostring

from matcurate.errors import ConfigError
from matcurate.labelstudio.bars import BARS_COUNT, BARS_NAME
from matcurate.labelstudio.smart import FOLLOW_LABEL, add_smart_controls, is_smart
from matcurate.types import Trust

MAX_PHASES = 254
MAX_XML_CHARACTERS = 1_000_000
INSTANCE_LABEL = "instance"
"""Label of an outline that says where one object is, but not of which phase."""
PALETTE = ("#1f77b4", "#d62728", "#2ca02c", "#ff7f0e", "#9467bd", "#8c564b", "#e377c2", "#17becf", "#bcbd22")
INSTANCE_COLOUR = "#f5c518"

Shape = Literal["brushlabels", "bitmasklabels", "polygonlabels", "rectanglelabels", "ellipselabels"]
TAGS: dict[str, Shape] = {
    "BrushLabels": "brushlabels",
    "BitmaskLabels": "bitmasklabels",
    "PolygonLabels": "polygonlabels",
    "RectangleLabels": "rectanglelabels",
    "EllipseLabels": "ellipselabels",
}
COLOUR = re.compile(r"#[0-9a-fA-F]{6}")
PAINTING = ("brushlabels", "bitmasklabels", "polygonlabels")
LOOK_KEY = "look"
"""Key of a task's data with a Markdown text that says where to look; a task without one shows nothing there."""
RATIO_NAME = re.compile(r"ratio_([1-9][0-9]{0,2})")
TRUST_NAME = "ratio_trust"
"""Field of the whole task: how far the area fractions are to be trusted."""
AREAS_NAME = "areas"
"""Text field of the whole task: which area fractions the masks have after a ratio was given."""


@dataclass(frozen=True, slots=True)
class LabelControl:
    """A control that draws labelled regions: its name, the kind of region, and its labels."""

    name: str
    shape: Shape
    labels: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LabellingConfig:
    """What a project's labelling configuration offers.

    ``image`` is the name of the Image tag, ``image_key`` the key of the task's data with the image's address
    (``image`` for ``value="$image"``); ``phases`` names class ids 1, 2, …; ``controls`` draw regions, in the order of
    the page; ``ratios`` names the Number field with the ratio of each phase, None where there is none; ``states_areas``
    says whether there is the text field of :data:`AREAS_NAME`; ``smart`` names the controls whose points and boxes are
    questions to the backend.
    """

    image: str
    image_key: str
    phases: tuple[str, ...]
    controls: tuple[LabelControl, ...]
    ratios: tuple[str | None, ...]
    states_areas: bool = False
    smart: tuple[str, ...] = ()

    def phase_control(self, *shapes: Shape) -> LabelControl | None:
        """First control of one of ``shapes`` that has a label for every phase."""
        return next((c for c in self.controls if c.shape in shapes and {*self.phases} <= {*c.labels}), None)

    def instance_control(self) -> LabelControl | None:
        """Polygon control with the label ``instance``."""
        return next((c for c in self.controls if c.shape == "polygonlabels" and INSTANCE_LABEL in c.labels), None)


def labelling_config(
    phases: Sequence[str],
    colours: Sequence[str] | None = None,
    *,
    instances: bool = False,
    bitmask: bool = False,
) -> str:
    """Write the labelling configuration of a project.

    One brush label for each phase, with ``bitmask`` as PNG regions instead of RLE ones; with ``instances`` polygons,
    one label for each phase (an object *of* that phase) and one that only outlines an object; smart points and boxes
    with the same labels; for each phase a
    task-level number, its area fraction, and how far these are to be trusted; a box to tick where what was taken for a
    data bar is none; beside them the task's text on where to look. ``phases`` are names of class ids 1, 2, …, at most
    254, ``colours`` are ``#rrggbb``; ConfigError when one cannot be used.
    """
    names = check_phases(phases, instances=instances)
    shades = _check_colours(colours, len(names))
    view = Element("View")
    _add(view, "Image", name="image", value="$image", zoom="true", zoomControl="true",
         brightnessControl="true", contrastControl="true")  # fmt: skip
    below = _add(view, "View", style="display: flex; gap: 2em")
    controls = _add(below, "View")
    painted = _add(controls, "BitmaskLabels" if bitmask else "BrushLabels", name="phase", toName="image")
    _add_labels(painted, names, shades)
    if instances:
        outlined = _add(controls, "PolygonLabels", name="outline", toName="image", strokeWidth="2", pointSize="small")
        _add_labels(outlined, (*names, INSTANCE_LABEL), (*shades, INSTANCE_COLOUR))
    for class_id, name in enumerate(names, start=1):
        _add(controls, "Header", value=f"Area fraction of {name}", size="6")
        _add(controls, "Number", name=f"ratio_{class_id}", toName="image", min="0", max="1", step="0.001")
    _add_trust(controls)
    bars = _add(controls, "Choices", name=BARS_NAME, toName="image", choice="multiple")
    _add(bars, "Choice", value=BARS_COUNT)
    _add(below, "Markdown", value=f"${LOOK_KEY}")  # nameless: tasks need not have it
    return _with_smart_controls(view, names)


def with_smart_controls(xml: str, phases: Sequence[str]) -> str:
    """Add smart points and boxes to a labelling configuration that has none, and leave everything else as it is.

    Raises ConfigError as :func:`parse_labelling_config`.
    """
    config = parse_labelling_config(xml, phases)
    return xml if config.smart else _with_smart_controls(_parse(xml), config.phases)


def _with_smart_controls(root: Element, phases: tuple[str, ...]) -> str:
    """The labelling configuration with smart controls behind the last control that draws a phase's regions."""
    image = next(tag.get("name", "") for tag in root.iter("Image") if tag.get("name"))
    drawing = [tag for tag in _drawing_tags(root, image) if TAGS[tag.tag] in PAINTING]
    full = next(tag for tag in reversed(drawing) if {*phases} <= {*_labels(tag)})  # polygons have one label more
    has_ratios = any(_ratio_names(root, image, len(phases)))
    add_smart_controls(root, list(full.iter("Label")), image, drawing[-1], has_ratios)
    indent(root)
    return tostring(root, encoding="unicode")


def parse_labelling_config(xml: str, phases: Sequence[str]) -> LabellingConfig:
    """Find the controls and labels we need in a project's labelling configuration, ours or one that a lab made.

    Raises ConfigError when it is not XML, has no single image or no control that can paint every phase, or has a label
    that is no phase.
    """
    names = check_phases(phases)
    root = _parse(xml)
    images = [tag for tag in root.iter("Image") if tag.get("name")]
    if len(images) != 1:
        raise ConfigError(
            f"the labelling configuration has {len(images)} <Image> tags with a name; it needs exactly one"
        )
    image = images[0]
    key = image.get("value", "")
    if not re.fullmatch(r"\$\w+", key):
        raise ConfigError(f'the <Image> tag has value="{key}"; it must name a key of the task, as in value="$image"')
    name = image.get("name", "")
    controls = tuple(_controls(root, name))
    _check_labels(controls, names)
    states_areas = any(tag.get("name") == AREAS_NAME and tag.get("toName") == name for tag in root.iter("TextArea"))
    ratios = _ratio_names(root, name, len(names))
    smart = tuple(tag.get("name", "") for tag in root.iter() if is_smart(tag) and tag.get("name"))
    return LabellingConfig(name, key[1:], names, controls, ratios, states_areas, smart)


def labels_of_controls(xml: str) -> dict[str, tuple[str, ...]]:
    """Labels of every named control of a labelling configuration, in the order of the page."""
    tags = [tag for tag in _parse(xml).iter() if tag.get("name") and tag.get("toName")]
    return {tag.get("name", ""): _labels(tag) for tag in tags}


def shows_look(xml: str) -> bool:
    """Whether a labelling configuration shows where to look: ``<Markdown value="$look"/>``."""
    return any(tag.get("value") == f"${LOOK_KEY}" for tag in _parse(xml).iter("Markdown"))


def check_phases(phases: Sequence[str], *, instances: bool = False) -> tuple[str, ...]:
    """Return the phases, or raise ConfigError when there are none, too many, or one is empty or there twice."""
    names = tuple(phases)
    if not 1 <= len(names) <= MAX_PHASES:
        raise ConfigError(f"a project has 1 to {MAX_PHASES} phases, got {len(names)}; correct 'curate init --phases'")
    for name in names:
        if not name or name != name.strip() or not name.isprintable():
            raise ConfigError(f"phase {name!r} is empty or has blanks around it or control characters; rename it")
        if names.count(name) > 1:
            raise ConfigError(f"phase {name!r} is listed twice; phases need different names")
    taken = {
        FOLLOW_LABEL: "a label of smart points",
        **({INSTANCE_LABEL: "the label of outlines"} if instances else {}),
    }
    for name in names:
        if name in taken:
            raise ConfigError(f"no phase can be called {name!r}, {taken[name]}; rename it")
    return names


def _check_colours(colours: Sequence[str] | None, count: int) -> tuple[str, ...]:
    if colours is None:
        return tuple(islice(cycle(PALETTE), count))
    if len(colours) != count:
        raise ConfigError(f"{count} phases need {count} colours, got {len(colours)}")
    for colour in colours:
        if not COLOUR.fullmatch(colour):
            raise ConfigError(f"colour {colour!r} is not of the form #rrggbb")
    return tuple(colours)


def _add(parent: Element, tag: str, **attributes: str) -> Element:
    return SubElement(parent, tag, attributes)


def _add_labels(control: Element, names: Sequence[str], colours: Sequence[str]) -> None:
    for name, colour in zip(names, colours, strict=True):
        _add(control, "Label", value=name, background=colour)


def _add_trust(parent: Element) -> None:
    """Choice of how far the area fractions are to be trusted, and the text on what came of them."""
    choices = _add(parent, "Choices", name=TRUST_NAME, toName="image", choice="single-radio", showInline="true")
    for trust in get_args(Trust):
        _add(choices, "Choice", value=trust)
    _add(parent, "TextArea", name=AREAS_NAME, toName="image", editable="false", maxSubmissions="1", rows="1",
         placeholder="Areas after a ratio was given")  # fmt: skip


def _parse(xml: str) -> Element:
    """Parse XML from elsewhere. Without a DOCTYPE there are no entities to expand or to fetch."""
    if len(xml) > MAX_XML_CHARACTERS:
        raise ConfigError(f"the labelling configuration has {len(xml)} characters; {MAX_XML_CHARACTERS} are allowed")
    if "<!DOCTYPE" in xml:
        raise ConfigError("the labelling configuration has a DOCTYPE; remove it in Label Studio")
    try:
        return fromstring(xml, XMLParser(target=TreeBuilder(insert_comments=True)))
    except (ParseError, ValueError) as error:
        raise ConfigError(f"the labelling configuration is not XML ({error}); fix it in Label Studio") from error


def _controls(root: Element, image: str) -> list[LabelControl]:
    tags = _drawing_tags(root, image)
    return [LabelControl(tag.get("name", ""), TAGS[tag.tag], _labels(tag)) for tag in tags if tag.get("name")]


def _drawing_tags(root: Element, image: str) -> list[Element]:
    """Controls that draw labelled regions on the image; smart ones only point at what is to be drawn."""
    tags = [tag for tag in root.iter() if tag.tag in TAGS and image in tag.get("toName", "").split(",")]
    return [tag for tag in tags if not is_smart(tag)]


def _labels(control: Element) -> tuple[str, ...]:
    return tuple(label.get("alias") or label.get("value") or "" for label in control.iter("Label"))


def _check_labels(controls: Sequence[LabelControl], phases: tuple[str, ...]) -> None:
    names = ", ".join(phases)
    for control in controls:
        allowed = {*phases, INSTANCE_LABEL} if control.shape == "polygonlabels" else {*phases}
        unknown = [label for label in control.labels if label not in allowed]
        if unknown:
            raise ConfigError(
                f"label {unknown[0]!r} of control {control.name!r} is no phase of this project (phases: {names}); "
                "rename the label in Label Studio, or add the phase with 'curate init --phases'"
            )
    offered = {label for control in controls for label in control.labels}
    missing = [phase for phase in phases if phase not in offered]
    if missing:
        raise ConfigError(
            f"the labelling configuration has no BrushLabels, BitmaskLabels or PolygonLabels label for phase "
            f"{missing[0]!r}; add it in Label Studio"
        )
    if not any({*phases} <= {*control.labels} for control in controls if control.shape in PAINTING):
        raise ConfigError(
            f"no single BrushLabels, BitmaskLabels or PolygonLabels control has all phases ({names}); "
            "add the missing labels in Label Studio"
        )


def _ratio_names(root: Element, image: str, count: int) -> tuple[str | None, ...]:
    names: list[str | None] = [None] * count
    for tag in root.iter("Number"):
        match = RATIO_NAME.fullmatch(tag.get("name") or "")
        whole_task = tag.get("perRegion") != "true" and tag.get("toName") == image
        if match and whole_task and int(match[1]) <= count:
            names[int(match[1]) - 1] = match[0]
    return tuple(names)
