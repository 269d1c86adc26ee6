import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from label_studio_sdk.converter import brush
from label_studio_sdk.label_interface import LabelInterface

from matcurate.errors import AnnotationError, ConfigError
from matcurate.labelstudio import (
    Region,
    decode_annotation,
    encode_prediction,
    encode_rle,
    labelling_config,
    parse_labelling_config,
)
from matcurate.labelstudio.annotations import DecodedAnnotation
from matcurate.labelstudio.bitmask import encode_bitmask

SHAPE = (96, 160)
PHASES = ("ferrite", "M & A")
XML = labelling_config(PHASES, instances=True)
CONFIG = parse_labelling_config(XML, PHASES)
BITMASK = parse_labelling_config(labelling_config(PHASES, instances=True, bitmask=True), PHASES)
EVERYTHING = parse_labelling_config(
    XML.replace(
        "</View>",
        "".join(
            f'<{tag} name="{tag}" toName="image"><Label value="ferrite"/><Label value="M &amp; A"/></{tag}>'
            for tag in ("BitmaskLabels", "RectangleLabels", "EllipseLabels")
        )
        + "</View>",
    ),
    PHASES,
)
SMALL = st.tuples(st.integers(1, 12), st.integers(1, 19))


def blocks() -> tuple[np.ndarray, np.ndarray]:
    """Two ferrite objects, one of which touches one of M & A."""
    phases = np.zeros(SHAPE, np.uint8)
    instances = np.zeros(SHAPE, np.uint16)
    phases[10:30, 20:60], instances[10:30, 20:60] = 1, 4
    phases[10:30, 60:80], instances[10:30, 60:80] = 2, 300
    phases[80:96, 150:160], instances[80:96, 150:160] = 1, 7
    return phases, instances


def through_json(regions: list[Region]) -> list[dict[str, object]]:
    stored: list[dict[str, object]] = json.loads(json.dumps(regions))
    return stored


def region(kind: str, label: str, *, shape: tuple[int, int] = SHAPE, **value: object) -> dict[str, object]:
    return {
        "id": "x1",
        "type": kind,
        "from_name": "phase",
        "to_name": "image",
        "original_width": shape[1],
        "original_height": shape[0],
        "image_rotation": 0,
        "value": {**value, kind: [label]},
    }


def painted(mask: np.ndarray, label: str = "ferrite") -> dict[str, object]:
    return region("brushlabels", label, shape=mask.shape, format="rle", rle=encode_rle(mask))


def decoded(*regions: dict[str, object], shape: tuple[int, int] = SHAPE) -> DecodedAnnotation:
    return decode_annotation(regions, shape, EVERYTHING, where="task 3, annotation 5")


def test_brush_regions_are_what_label_studio_expects() -> None:
    phases, _ = blocks()
    regions = encode_prediction(phases, CONFIG, ratios=(0.25, 0.1234), score=0.75)
    assert [r["id"] for r in regions] == ["phase-1", "phase-2", "ratio_1", "ratio_2"]
    assert [r["from_name"] for r in regions] == ["phase", "phase", "ratio_1", "ratio_2"]
    first = regions[0]
    assert (first["original_width"], first["original_height"], first["image_rotation"]) == (160, 96, 0)
    assert first["value"]["brushlabels"] == ["ferrite"]
    assert first["score"] == 0.75
    alpha = brush.decode_rle(first["value"]["rle"]).reshape(*SHAPE, 4)[:, :, 3]
    np.testing.assert_array_equal(alpha, (phases == 1) * 255)
    assert regions[3]["value"] == {"number": 0.123}
    assert all(LabelInterface(XML).validate_region(dict(r)) for r in regions)


@pytest.mark.parametrize("config", [CONFIG, BITMASK], ids=["brush", "bitmask"])
@given(data=st.data(), shape=SMALL)
@settings(max_examples=60, deadline=None)
def test_masks_survive_the_way_there_and_back(config: object, data: st.DataObject, shape: tuple[int, int]) -> None:
    phases = data.draw(arrays(np.uint8, shape, elements=st.integers(0, 2)))
    instances = data.draw(arrays(np.uint16, shape, elements=st.sampled_from([0, 0, 1, 2, 900])))
    regions = encode_prediction(phases, config, instances=instances, ratios=(0.5, 0.125))
    back = decode_annotation(through_json(regions), shape, config)
    np.testing.assert_array_equal(back.phases, phases)
    assert back.phases.dtype == np.uint8
    assert back.ratios == (0.5, 0.125)
    assert back.contested == 0
    if instances.any():
        np.testing.assert_array_equal(back.instances, instances)
        assert back.instances.dtype == np.uint32
    else:
        assert back.instances is None


@given(data=st.data(), shape=SMALL)
@settings(max_examples=60, deadline=None)
def test_polygons_alone_are_exact_too(data: st.DataObject, shape: tuple[int, int]) -> None:
    instances = data.draw(arrays(np.uint16, shape, elements=st.integers(0, 4)))
    phases = np.array([0, 1, 2, 1, 0], np.uint8)[instances]  # instance 4 has no phase
    phases[(instances == 0) & data.draw(arrays(np.bool_, shape))] = 2
    regions = encode_prediction(phases, CONFIG, instances=instances, mode="polygon")
    assert {r["type"] for r in regions} <= {"polygonlabels"}
    back = decode_annotation(through_json(regions), shape, CONFIG)
    np.testing.assert_array_equal(back.phases, phases)
    np.testing.assert_array_equal(0 if back.instances is None else back.instances, instances)


def test_polygons_without_instances_are_phases() -> None:
    phases, _ = blocks()
    regions = encode_prediction(phases, CONFIG, mode="polygon")
    assert [r["id"] for r in regions] == ["phase-1-1", "phase-1-2", "phase-2-1"]
    # x of the width 160, y of the height 96, clockwise from the top left corner
    last = [(60 / 1.6, 10 / 0.96), (80 / 1.6, 10 / 0.96), (80 / 1.6, 30 / 0.96), (60 / 1.6, 30 / 0.96)]
    np.testing.assert_allclose(regions[2]["value"]["points"], last)
    back = decode_annotation(through_json(regions), SHAPE, CONFIG)
    np.testing.assert_array_equal(back.phases, phases)
    assert back.instances is None


def test_region_ids_depend_on_the_masks_only() -> None:
    phases, instances = blocks()
    first, second = (encode_prediction(phases, CONFIG, instances=instances) for _ in range(2))
    assert first == second
    assert [r["id"] for r in first] == ["instance-4-1", "instance-7-1", "instance-300-1", "phase-1", "phase-2"]


def test_simplification_reaches_the_polygons() -> None:
    rows, columns = np.indices(SHAPE)
    phases = (np.hypot(rows - 48, columns - 80) < 30).astype(np.uint8)
    exact, simple = (encode_prediction(phases, CONFIG, mode="polygon", tolerance=t) for t in (0.0, 1.0))
    assert len(simple[0]["value"]["points"]) < len(exact[0]["value"]["points"]) / 4


def test_an_empty_prediction_has_no_region() -> None:
    empty = np.zeros(SHAPE, np.uint8)
    assert encode_prediction(empty, CONFIG, instances=empty) == []
    back = decode_annotation([], SHAPE, CONFIG)
    assert not back.phases.any()
    assert (back.instances, back.ratios) == (None, None)


def test_later_regions_paint_over_earlier_ones() -> None:
    left, right = np.zeros(SHAPE, bool), np.zeros(SHAPE, bool)
    left[:, :100] = True
    right[:, 60:] = True
    back = decoded(painted(left, "ferrite"), painted(right, "M & A"))
    assert np.unique(back.phases[:, :60]).tolist() == [1]
    assert np.unique(back.phases[:, 60:]).tolist() == [2]
    assert back.contested == 40 * 96
    back = decoded(painted(right, "M & A"), painted(left, "ferrite"))
    assert np.unique(back.phases[:, :100]).tolist() == [1]
    # two strokes of one phase contest nothing
    assert decoded(painted(left), painted(right)).contested == 0


def test_every_kind_of_region_lands_where_it_was_drawn() -> None:
    # x = 16 of 160 columns, y = 48 of 96 rows: 10 % and 50 %; 40 columns and 24 rows: 25 % each
    box = decoded(region("rectanglelabels", "M & A", x=10, y=50, width=25, height=25, rotation=0))
    expected = np.zeros(SHAPE, np.uint8)
    expected[48:72, 16:56] = 2
    np.testing.assert_array_equal(box.phases, expected)
    np.testing.assert_array_equal(box.instances, expected // 2)
    bitmask = decoded(region("bitmasklabels", "M & A", imageDataURL=encode_bitmask(expected)))
    np.testing.assert_array_equal(bitmask.phases, expected)
    assert bitmask.instances is None
    polygon = decoded(region("polygonlabels", "M & A", points=[[10, 50], [35, 50], [35, 75], [10, 75]], closed=True))
    np.testing.assert_array_equal(polygon.phases, expected)
    only_outlined = decoded(region("polygonlabels", "instance", points=[[10, 50], [35, 50], [35, 75], [10, 75]]))
    assert not only_outlined.phases.any()
    np.testing.assert_array_equal(only_outlined.instances, expected // 2)


def test_a_box_turns_clockwise_around_its_top_left_corner() -> None:
    # 40 x 24 pixels at (80, 48), turned by 90 degrees: 24 columns to the left, 40 rows down
    back = decoded(region("rectanglelabels", "ferrite", x=50, y=50, width=25, height=25, rotation=90))
    expected = np.zeros(SHAPE, np.uint8)
    expected[48:88, 56:80] = 1
    np.testing.assert_array_equal(back.phases, expected)


def test_a_box_turned_by_90_degrees_on_a_non_square_image() -> None:
    """label-studio#2293: 1000 x 500 pixels; both cover the rows 100 to 399 and the columns 100 to 199."""
    turned = region("rectanglelabels", "ferrite", shape=(500, 1000), x=20, y=20, width=30, height=20, rotation=90)
    upright = region("rectanglelabels", "ferrite", shape=(500, 1000), x=10, y=20, width=10, height=60, rotation=0)
    expected = np.zeros((500, 1000), np.uint8)
    expected[100:400, 100:200] = 1
    for one in (turned, upright):
        np.testing.assert_array_equal(decoded(one, shape=(500, 1000)).phases, expected)


def test_what_reaches_a_little_beyond_the_image_is_clipped() -> None:
    # from column 120 to 168 of 160, from row 72 to 100.8 of 96
    over = decoded(region("polygonlabels", "ferrite", points=[[75, 75], [105, 75], [105, 105], [75, 105]]))
    expected = np.zeros(SHAPE, np.uint8)
    expected[72:, 120:] = 1
    np.testing.assert_array_equal(over.phases, expected)
    corner = decoded(region("ellipselabels", "ferrite", x=0, y=0, radiusX=25, radiusY=25))  # a quarter is in the image
    assert np.count_nonzero(corner.phases) == pytest.approx(np.pi / 4 * 40 * 24, rel=0.02)


def test_regions_without_a_pixel_are_counted() -> None:
    nothing = painted(np.zeros(SHAPE, bool))
    speck = region("polygonlabels", "ferrite", points=[[10, 10], [10.01, 10], [10, 10.01]])
    alone = decoded(nothing, speck)
    assert (alone.drawn, alone.empty) == (2, (1, 2))
    assert alone.objection == "region 1, 2: covers no pixel, and nothing else is drawn; draw it again or delete it"
    beside = decoded(nothing, painted(np.ones(SHAPE, bool)))  # an erased region beside a drawn one
    assert (beside.empty, beside.objection) == ((1,), None)
    outline = region("polygonlabels", "instance", points=[[10, 50], [35, 50], [35, 75]])
    assert decoded(nothing, outline).objection is None
    assert decoded().objection is None  # nobody has drawn anything: no phase
    number = {"type": "number", "from_name": "ratio_2", "to_name": "image", "value": {"number": 0.4}}
    assert "states a phase ratio and has no region" in str(decoded(number).objection)
    assert decoded(number | {"value": {"number": 0}}).objection is None


def test_an_ellipse_has_its_radii_along_the_right_axes() -> None:
    # radii: 25 % of 160 columns and 12.5 % of 96 rows
    back = decoded(region("ellipselabels", "ferrite", x=50, y=50, radiusX=25, radiusY=12.5))
    rows, columns = np.indices(SHAPE)
    inside = ((columns + 0.5 - 80) / 40) ** 2 + ((rows + 0.5 - 48) / 12) ** 2 < 1
    np.testing.assert_array_equal(back.phases, inside)


def test_kept_instances_keep_their_ids_and_new_ones_follow() -> None:
    _, instances = blocks()
    regions = through_json(encode_prediction(np.zeros(SHAPE, np.uint8), CONFIG, instances=instances))
    drawn = region("polygonlabels", "instance", points=[[50, 50], [60, 50], [60, 60], [50, 60]])
    back = decoded(*regions[1:], drawn)  # the expert deleted instance 4 and drew one
    assert np.unique(back.instances).tolist() == [0, 7, 300, 301]
    assert back.instances[52, 88] == 301


def test_some_ratios_given() -> None:
    number = {"type": "number", "from_name": "ratio_2", "to_name": "image", "value": {"number": 0.4}}
    assert decoded(number).ratios == (None, 0.4)
    assert decoded({**number, "from_name": "temperature", "value": {"number": 700}}).ratios is None


def test_results_that_are_not_about_masks_are_left_alone() -> None:
    other = [
        {"type": "choices", "from_name": "quality", "to_name": "image", "value": {"choices": ["good"]}},
        {"type": "relation", "from_id": "a", "to_id": "b", "direction": "right"},
        {"type": "keypointlabels", "from_name": "k", "value": {"x": 1, "y": 1, "keypointlabels": ["tip"]}},
    ]
    assert not decoded(*other).phases.any()


MASK = np.ones(SHAPE, bool)
TURNED = painted(MASK) | {"image_rotation": 90}
SWAPPED = painted(MASK) | {"original_width": 96, "original_height": 160}
NO_SIZE = {key: value for key, value in painted(MASK).items() if key != "original_width"}


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (TURNED, "rotated by 90"),
        (SWAPPED, r"96 x 160 pixels \(width x height\), the micrograph has 160 x 96"),
        (NO_SIZE, "None x 96"),
        (painted(MASK, "austenite"), "'austenite' is no phase .*ferrite, M & A.*rename the label"),
        (region("brushlabels", "instance", format="rle", rle=encode_rle(MASK)), "'instance' is no phase"),
        (painted(MASK) | {"value": {"format": "rle", "rle": encode_rle(MASK)}}, "exactly one label, has none"),
        (painted(MASK) | {"type": "brush"}, "without a label"),
        (
            painted(MASK) | {"value": {"brushlabels": ["ferrite", "M & A"], "format": "rle", "rle": []}},
            "exactly one label",
        ),
        (region("brushlabels", "ferrite", format="rle", rle=[1, 2, 3]), "3 bytes"),
        (region("brushlabels", "ferrite", format="png"), "format"),
        (region("polygonlabels", "ferrite", points=[[1, 1], [2, 2]]), "points"),
        (region("polygonlabels", "ferrite", points=[[1, 1], [2, 2], [float("nan"), 3]]), "points"),
        (region("polygonlabels", "ferrite", points=[[1, 1], [2, 2], [1e300, 3]]), "points"),
        (region("polygonlabels", "ferrite", points=[[83, 165], [305, 166], [310, 421], [84, 423]]), "reaches 323 %"),
        (region("polygonlabels", "ferrite", points=[[50, 50], [112, 50], [50, 80]]), "reaches 12 % .*, more than 10 %"),
        (region("polygonlabels", "ferrite", points=[[50, 50], [70, 50], [60, -30]]), "reaches 30 %"),
        (region("rectanglelabels", "ferrite", x=90, y=10, width=40, height=5), "reaches 30 %"),
        (region("ellipselabels", "ferrite", x=150, y=10, radiusX=20, radiusY=5), "reaches 70 %"),
        (region("rectanglelabels", "ferrite", x=1, y=1, width=3), "height"),
        (region("bitmasklabels", "ferrite", imageDataURL="x"), "bitmask"),
        ({"type": "number", "from_name": "ratio_1", "value": {"number": 40}}, "ratio_1 is 40; .* between 0 and 1"),
        ({"type": "number", "from_name": "ratio_1", "value": {}}, "ratio_1 is None"),
        ({"id": "a"}, "type"),
    ],
)
def test_what_cannot_be_decoded_names_task_annotation_and_remedy(bad: dict[str, object], reason: str) -> None:
    with pytest.raises(AnnotationError, match=reason) as caught:
        decoded(painted(MASK), bad)
    assert str(caught.value).startswith("task 3, annotation 5, region 2")
    assert "\n" not in str(caught.value)


def test_projects_without_the_control_are_refused() -> None:
    phases, instances = blocks()
    brush_only = parse_labelling_config(labelling_config(PHASES), PHASES)
    with pytest.raises(ConfigError, match="no polygon control"):
        encode_prediction(phases, brush_only, mode="polygon")
    with pytest.raises(ConfigError, match="'instance'"):
        encode_prediction(phases, brush_only, instances=instances)
    outlines = '<View><Image name="i" value="$i"/><PolygonLabels name="p" toName="i">{}</PolygonLabels></View>'
    polygon_only = parse_labelling_config(outlines.format('<Label value="ferrite"/>'), ["ferrite"])
    with pytest.raises(ConfigError, match="no brush or bitmask"):
        encode_prediction((phases == 1).astype(np.uint8), polygon_only)


def test_ratios_without_a_field_are_not_sent() -> None:
    phases, _ = blocks()
    xml = XML.replace('name="ratio_1"', 'name="other"')
    regions = encode_prediction(phases, parse_labelling_config(xml, PHASES), ratios=(0.1, 0.2))
    assert [r["id"] for r in regions] == ["phase-1", "phase-2", "ratio_2"]


@pytest.mark.parametrize(
    "given",
    [
        {"phases": np.full(SHAPE, 3, np.uint8)},
        {"phases": np.zeros(0, np.uint8)},
        {"instances": np.zeros((160, 96), np.uint8)},
        {"ratios": (0.1,)},
        {"ratios": (0.1, 1.5)},
        {"ratios": (0.1, float("nan"))},
    ],
)
def test_masks_that_do_not_fit_are_refused(given: dict[str, object]) -> None:
    phases = given.pop("phases", np.zeros(SHAPE, np.uint8))
    with pytest.raises(ValueError, match=r"phases|instances|ratios"):
        encode_prediction(phases, CONFIG, **given)
