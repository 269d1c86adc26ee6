"""Smart points and boxes over HTTP: one region of the label chosen, where the click lies, and nothing where none is."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from matcurate.labelstudio import FOLLOW_LABEL, decode_annotation, labelling_config, parse_labelling_config
from matcurate.workflows.ingest import ingest_files
from tests.unit.backend.backend_samples import hashes, metric, predict, task
from tests.unit.loop_samples import disc, png

SHAPE = (96, 160)
XML = labelling_config(["precipitate"], instances=True)
CONFIG = parse_labelling_config(XML, ["precipitate"])


def smart(column, row, *, label="precipitate", positive=True, name="k", size=(160, 96), **value):
    """A smart point at a pixel's centre, as the page sends it."""
    place = {"x": 100 * (column + 0.5) / size[0], "y": 100 * (row + 0.5) / size[1], "width": 0.2}
    return {
        "original_width": size[0], "original_height": size[1], "image_rotation": 0, "is_positive": positive,
        "value": {**place, "keypointlabels": [label], **value}, "id": name, "from_name": "smart_point",
        "to_name": "image", "type": "keypointlabels",
    }  # fmt: skip


def smart_box(left, top, right, bottom, label="precipitate"):
    value = {"x": left / 1.6, "y": top / 0.96, "width": (right - left) / 1.6, "height": (bottom - top) / 0.96}
    item = smart(0, 0, label=label)
    return item | {"type": "rectanglelabels", "from_name": "smart_box", "value": value | {"rectanglelabels": [label]}}


def asked(http, which, *items, xml=XML):
    return predict(http, which, xml=xml, params={"context": {"result": list(items)}})


def region_of(response):
    assert response.status_code == 200, response.text
    (answer,) = response.json()["results"]
    return answer["result"]


def mask_of(regions, shape=SHAPE):
    return decode_annotation(regions, shape, CONFIG).phases > 0


def iou(mask, truth):
    return (mask & truth).sum() / (mask | truth).sum()


def test_a_click_gives_the_object_under_it_on_the_right_image(http, workspace):
    known = hashes(workspace)
    for number, (row, column) in enumerate([(30, 40), (35, 60), (40, 80)], start=1):
        regions = region_of(asked(http, task(number, micrograph=known[number]), smart(column, row)))
        assert [(r["type"], r["from_name"], r["id"]) for r in regions] == [("brushlabels", "phase", "smart-k")]
        assert iou(mask_of(regions), disc(row, column) > 100) > 0.9
    assert metric(http, 'matcurate_predictions_total{source="clicked"} 3.0')


def test_a_further_point_corrects_and_a_lone_background_point_gives_nothing(http, workspace):
    which = task(1, micrograph=hashes(workspace)[1])
    whole = mask_of(region_of(asked(http, which, smart(40, 30))))
    less = region_of(asked(http, which, smart(40, 30), smart(48, 30, positive=False, name="m")))
    assert less[0]["id"] == "smart-k" and not mask_of(less)[30, 48] and mask_of(less)[30, 40]
    assert mask_of(less).sum() < whole.sum()
    assert region_of(asked(http, which, smart(48, 30, positive=False))) == []


def test_a_box_gives_the_object_in_it_and_an_instance_is_a_polygon(http, workspace):
    which = task(1, micrograph=hashes(workspace)[1])
    assert iou(mask_of(region_of(asked(http, which, smart_box(24, 14, 56, 46)))), disc(30, 40) > 100) > 0.9
    (polygon,) = region_of(asked(http, which, smart(40, 30, label="instance")))
    assert polygon["type"] == "polygonlabels" and polygon["value"]["polygonlabels"] == ["instance"]
    instances = decode_annotation([polygon], SHAPE, CONFIG).instances
    assert iou(instances > 0, disc(30, 40) > 100) > 0.9


def test_a_mask_never_lies_on_a_data_bar(http, workspace, tmp_path):
    picture = np.full((160, 200), 250, dtype=np.uint8)
    picture[:136] = np.random.default_rng(0).normal(80, 6, (136, 200)).clip(0, 255)
    picture[100:136, 60:100] = 200
    picture[140:156, 20:180:7] = 0  # text
    (tmp_path / "bar.png").write_bytes(png(picture))
    (record,) = ingest_files(workspace, [tmp_path / "bar.png"]).added
    which = task(9, micrograph=record.content_hash)
    mask = mask_of(region_of(asked(http, which, smart(80, 120, size=(200, 160)))), (160, 200))
    assert mask[110, 80] and not mask[136:].any()
    assert region_of(asked(http, which, smart(80, 150, size=(200, 160)))) == []


@pytest.mark.parametrize(
    "item",
    [smart(40, 30, size=(161, 96)), smart(500, 30), smart(-20, 30), smart(40, 30, x=999.0)],
    ids=["another size", "right of the image", "left of the image", "far away"],
)
def test_a_click_beside_the_image_gives_nothing(http, workspace, item):
    assert region_of(asked(http, task(1, micrograph=hashes(workspace)[1]), item)) == []


@pytest.mark.parametrize("value", ["x", None, 1e300, True])
def test_a_damaged_click_is_refused(http, workspace, value):
    response = asked(http, task(1, micrograph=hashes(workspace)[1]), smart(40, 30, x=value))
    assert response.status_code == 422 and "click again" in response.json()["detail"]


def test_a_label_without_a_control_is_told(http, workspace):
    response = asked(http, task(1, micrograph=hashes(workspace)[1]), smart(40, 30, label="ferrite"))
    assert response.status_code == 409 and "ferrite" in response.json()["detail"]


def test_the_label_that_follows_ratios_gives_all_masks(http, workspace):
    page = {"to_name": "image", "id": "r"}
    ratio = page | {"type": "number", "from_name": "ratio_1", "value": {"number": 0.1}}
    trust = page | {"type": "choices", "from_name": "ratio_trust", "value": {"choices": ["measured"]}}
    draft = {"result": [ratio, trust]}
    which = task(1, micrograph=hashes(workspace)[1]) | {"drafts": [draft]}
    regions = region_of(asked(http, which, smart(3, 3, label=FOLLOW_LABEL)))
    assert {"phase-1", "ratio_1", "areas"} <= {region["id"] for region in regions}
    plain = mask_of(region_of(predict(http, task(1, micrograph=hashes(workspace)[1]), xml=XML))).mean()
    assert plain < 0.04 and mask_of(regions).mean() == pytest.approx(0.1, abs=0.002)


def test_fifty_clicks_at_once_each_get_their_own_image(http, workspace):
    known = hashes(workspace)
    centres = {1: (30, 40), 2: (35, 60), 3: (40, 80)}

    def ask(number):
        which = number % 3 + 1
        row, column = centres[which]
        regions = region_of(asked(http, task(which, micrograph=known[which]), smart(column, row)))
        return iou(mask_of(regions), disc(row, column) > 100)

    with ThreadPoolExecutor(10) as pool:
        assert min(pool.map(ask, range(50))) > 0.9


def test_an_opened_task_is_encoded_before_its_first_click(http, workspace):
    predict(http, task(1, micrograph=hashes(workspace)[1]), xml=XML)
    state = http.app.state.live.current()
    assert [key[1] for key in state.clicks._images._kept] == [1]


def test_clicks_are_answered_while_a_prediction_runs(http, workspace):
    which = task(1, micrograph=hashes(workspace)[1])
    with ThreadPoolExecutor(1) as pool, http.app.state.live.current().serving.turn():
        # A route that waited for the turn would wait for the end of this block.
        assert region_of(pool.submit(asked, http, which, smart(40, 30)).result(timeout=60))
