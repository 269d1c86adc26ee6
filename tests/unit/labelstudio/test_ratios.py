"""Phase ratios typed on the page: from annotations, drafts and the context of an interactive /predict."""

import pytest

from matcurate.errors import AnnotationError
from matcurate.labelstudio import (
    Draft,
    areas_region,
    asked_ratios,
    asked_trust,
    decode_annotation,
    labelling_config,
    open_where_same,
    parse_labelling_config,
    same_on_the_page,
)
from matcurate.labelstudio.ratios import ratios_in

PHASES = ("ferrite", "martensite")
CONFIG = parse_labelling_config(labelling_config(PHASES), PHASES)


def number(class_id, value):
    return {"type": "number", "from_name": f"ratio_{class_id}", "to_name": "image", "value": {"number": value}}


def test_there_is_one_whole_task_field_for_each_phase():
    assert CONFIG.ratios == ("ratio_1", "ratio_2")
    assert 'perRegion="true"' not in labelling_config(PHASES)


def test_both_readers_agree():
    items = [number(1, 0.25), number(2, 0)]
    expected = (0.25, 0.0)
    assert ratios_in(items, CONFIG, where="x") == decode_annotation(items, (96, 160), CONFIG).ratios == expected
    assert ratios_in([number(2, 1)], CONFIG, where="x") == (None, 1.0)
    assert ratios_in([], CONFIG, where="x") is None


def trust(value):
    return {"type": "choices", "from_name": "ratio_trust", "to_name": "image", "value": {"choices": [value]}}


def test_trust_is_read_from_the_page_then_from_the_newest_draft_and_is_a_guess_without():
    old = Draft([trust("measured")], "2026-11-21T01:00:00Z")
    new = Draft([number(1, 0.3), trust("guess")], "2026-11-21T02:00:00Z")
    assert asked_trust(None, [old]) == "measured" and asked_trust(None, [old, new]) == "guess"
    assert asked_trust({"result": [trust("measured")]}, [new]) == "measured"
    assert asked_trust({"result": [trust("certain"), {"type": "choices"}]}, []) == asked_trust(None, []) == "guess"
    assert decode_annotation([trust("measured")], (96, 160), CONFIG).ratios is None


def test_a_ratio_that_the_prediction_has_put_there_is_open():
    assert open_where_same((0.25, 0.4), (0.2501, 0.1)) == (None, 0.4)
    assert open_where_same((None, 0.1), (0.25, 0.1)) is None


def test_areas_are_stated_where_the_page_has_a_field_for_them():
    region = areas_region("ferrite: told .2, found .19", CONFIG)
    assert (region["type"], region["from_name"], region["value"]) == (
        "textarea",
        "areas",
        {"text": ["ferrite: told .2, found .19"]},
    )
    older = labelling_config(PHASES).replace("TextArea", "Header")
    assert areas_region("x", parse_labelling_config(older, PHASES)) is None


def test_other_results_are_left_alone_damaged_or_not():
    items = [
        {"type": "brushlabels", "value": "damaged"},
        {"type": "number", "from_name": "temperature", "value": {"number": 700}},
        {},
        number(1, 0.5),
    ]
    assert ratios_in(items, CONFIG, where="x") == (0.5, None)


@pytest.mark.parametrize("value", [40, -0.1, float("nan"), "0.4", None, True])
def test_what_is_no_ratio_is_refused(value):
    with pytest.raises(AnnotationError, match=r"the page: ratio_1 is .* between 0 and 1"):
        asked_ratios({"result": [number(1, value)]}, [], CONFIG)


def test_the_page_counts_before_drafts_and_newer_before_older_field_by_field():
    old = Draft([number(1, 0.1), number(2, 0.2)], "2026-11-21T01:00:00Z")
    new = Draft([number(1, 0.3)], "2026-11-21T02:00:00Z")
    assert asked_ratios(None, [old, new], CONFIG) == (0.3, 0.2)
    assert asked_ratios({"result": [number(1, 0.4)]}, [new, old], CONFIG) == (0.4, 0.2)
    assert asked_ratios({"result": [number(2, 0.0)]}, [old], CONFIG) == (0.1, 0.0)  # zero is given, too


@pytest.mark.parametrize("context", [None, {}, {"result": None}, {"result": [{"type": "keypointlabels"}, 3]}])
def test_without_ratios_there_are_none(context):
    assert asked_ratios(context, [Draft([])], CONFIG) is None


def test_fields_that_were_left_alone_are_told():
    assert same_on_the_page({"a": 0.333, "b": 0.5}, {"a": 1 / 3, "b": 0.5004})
    assert not same_on_the_page({"a": 0.334, "b": 0.5}, {"a": 1 / 3, "b": 0.5})
    assert same_on_the_page({"a": 0.0}, {}) and not same_on_the_page({"a": 0.1}, {})
