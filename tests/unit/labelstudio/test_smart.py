"""Smart points and boxes: in the labelling configuration, in the page's context, and never in a correction."""

from __future__ import annotations

import numpy as np
import pytest

from matcurate.errors import AnnotationError, ConfigError
from matcurate.labelstudio import (
    FOLLOW_LABEL,
    decode_annotation,
    encode_object,
    labelling_config,
    parse_labelling_config,
    prompts_in,
    with_smart_controls,
)
from matcurate.labelstudio.config import labels_of_controls

PHASES = ("matrix", "gamma prime")
MADE_BY_A_LAB = """<View>
  <!-- our own -->
  <Image name="img" value="$image"/>
  <BrushLabels name="tag" toName="img"><Label value="matrix" hotkey="m"/><Label value="gamma prime"/></BrushLabels>
  <RectangleLabels name="box" toName="img"><Label value="matrix"/></RectangleLabels>
</View>"""


def point(x: float, y: float, label: str = "matrix", positive: bool = True, name: str = "a") -> dict[str, object]:
    value = {"x": x, "y": y, "width": 0.2, "labels": [label], "keypointlabels": [label]}
    return {
        "original_width": 60, "original_height": 40, "image_rotation": 0, "value": value, "is_positive": positive,
        "id": name, "from_name": "smart_point", "to_name": "image", "type": "keypointlabels", "origin": "manual",
    }  # fmt: skip


def box(x: float, y: float, width: float, height: float, label: str = "matrix") -> dict[str, object]:
    value = {"x": x, "y": y, "width": width, "height": height, "rotation": 0, "rectanglelabels": [label]}
    return {**point(0, 0), "value": value, "from_name": "smart_box", "type": "rectanglelabels"}


def test_what_we_write_has_smart_controls_for_every_label() -> None:
    xml = labelling_config(PHASES, instances=True)
    controls = labels_of_controls(xml)
    assert controls["smart_point"] == (*PHASES, "instance", FOLLOW_LABEL)
    assert controls["smart_box"] == (*PHASES, "instance")
    config = parse_labelling_config(xml, PHASES)
    assert config.smart == ("smart_point", "smart_box")
    assert [control.name for control in config.controls] == ["phase", "outline"]
    assert xml.count('smart="false"') == 2


def test_a_configuration_made_by_a_lab_gains_them_and_keeps_the_rest() -> None:
    before = parse_labelling_config(MADE_BY_A_LAB, PHASES)
    xml = with_smart_controls(MADE_BY_A_LAB, PHASES)
    after = parse_labelling_config(xml, PHASES)
    assert before.smart == () and after.smart == ("smart_point", "smart_box")
    assert after.controls == before.controls and "<!-- our own -->" in xml
    assert labels_of_controls(xml)["smart_point"] == PHASES  # no number fields, so nothing to follow
    assert xml.count('hotkey="m"') == 1
    assert with_smart_controls(xml, PHASES) == xml


def test_no_phase_has_the_name_of_the_label_that_follows_ratios() -> None:
    with pytest.raises(ConfigError, match="a label of smart points; rename it"):
        labelling_config([FOLLOW_LABEL])


def test_points_of_the_last_label_are_one_question() -> None:
    first, other = point(10, 20, name="p"), point(1, 2, "gamma prime", name="q")
    prompts = prompts_in({"result": [other, first, point(30, 40, positive=False, name="r")]})
    assert prompts is not None
    assert (prompts.label, prompts.region, prompts.size) == ("matrix", "smart-p", (60, 40))
    assert prompts.points == ((10.0, 20.0), (30.0, 40.0)) and prompts.positive == (True, False)
    boxed = prompts_in({"result": [box(10, 20, 30, 5)]})
    assert boxed is not None and boxed.boxes == (((10.0, 20.0), (40.0, 25.0)),) and boxed.points == ()


@pytest.mark.parametrize("context", [None, {}, {"result": []}, {"result": "x"}, {"result": [{"type": "number"}, 3]}])
def test_other_contexts_ask_nothing(context: dict[str, object] | None) -> None:
    assert prompts_in(context) is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"value": {"x": "a", "y": 1, "keypointlabels": ["matrix"]}}, "x of a smart point or box is 'a'"),
        ({"value": {"x": 1, "y": 1e9, "keypointlabels": ["matrix"]}}, "y of a smart point or box"),
        ({"value": {"x": 1, "y": 1}}, "needs exactly one label"),
        ({"original_width": None}, "without the size of its image"),
        ({"is_positive": "perhaps"}, "the page: .*click again"),
    ],
)
def test_a_damaged_question_is_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(AnnotationError, match=message):
        prompts_in({"result": [{**point(1, 1), **change}]})


@pytest.mark.parametrize("bitmask", [False, True])
def test_an_object_comes_back_pixel_for_pixel_and_smart_regions_do_not(bitmask: bool) -> None:
    config = parse_labelling_config(labelling_config(PHASES, instances=True, bitmask=bitmask), PHASES)
    mask = np.zeros((40, 60), dtype=np.bool_)
    mask[5:12, 30:50] = True
    (region,) = encode_object(mask, "gamma prime", config, "smart-a", outlined=False)
    assert region["id"] == "smart-a"
    decoded = decode_annotation([region, point(1, 1), box(0, 0, 100, 100)], mask.shape, config)
    np.testing.assert_array_equal(decoded.phases, np.where(mask, 2, 0))
    assert decoded.drawn == 1 and decoded.instances is None


def test_instances_are_polygons_the_largest_part_first() -> None:
    config = parse_labelling_config(labelling_config(PHASES, instances=True), PHASES)
    mask = np.zeros((40, 60), dtype=np.bool_)
    mask[2:4, 2:4], mask[10:20, 10:30] = True, True
    regions = encode_object(mask, "instance", config, "smart-a", outlined=False)
    assert [(region["id"], region["type"]) for region in regions] == [
        ("smart-a", "polygonlabels"),
        ("smart-a-1", "polygonlabels"),
    ]
    decoded = decode_annotation(regions, mask.shape, config)
    assert decoded.instances is not None and not decoded.phases.any()
    assert int(decoded.instances[15, 15]) == 1 and int(decoded.instances[3, 3]) == 2
    outlined = encode_object(mask, "matrix", config, "smart-a", outlined=True)
    np.testing.assert_array_equal(decode_annotation(outlined, mask.shape, config).phases > 0, mask)


def test_an_empty_mask_gives_no_region_and_an_unknown_label_is_refused() -> None:
    config = parse_labelling_config(MADE_BY_A_LAB, PHASES)
    assert encode_object(np.zeros((4, 6), dtype=np.bool_), "matrix", config, "x", outlined=False) == []
    with pytest.raises(ConfigError, match="no polygon label 'instance'"):
        encode_object(np.ones((4, 6), dtype=np.bool_), "instance", config, "x", outlined=False)
