"""Where to look: attached once, exchanged with the version, and nowhere where there is no place for it."""

import logging
from dataclasses import replace

import numpy as np
import pytest

from matcurate.config import RankSettings
from matcurate.imaging.read import decode_micrograph
from matcurate.labelstudio import labelling_config, shows_look
from matcurate.promptable.builtin.predictor import BuiltinBackbone, BuiltinSettings
from matcurate.segmentation.matsam.pipeline import MatSam
from matcurate.workflows.presegment import register_version, zero_shot
from matcurate.workflows.ranking import open_scorer
from matcurate.workflows.ranking.look import explanation, load_proxy, vacuity_picture
from matcurate.workflows.ranking.rank import rank
from matcurate.workflows.ranking.score_store import ScoredImage, store_scored
from tests.unit.learning_samples import add_disc
from tests.unit.loop_samples import START, make_workspace

CORNER = np.zeros((96, 160), np.float32)
CORNER[:24, 120:] = 0.5


@pytest.fixture
def workspace(tmp_path):
    return make_workspace(tmp_path / "home")


@pytest.fixture
def segmenter(workspace):
    return zero_shot(workspace, "builtin")


def scored(workspace, segmenter, micrograph, vacuity):
    version = register_version(workspace, workspace.project(), segmenter)
    image = ScoredImage(np.zeros(2, np.float32), np.array([0.5, 0.5]), {"vacuity": 0.2}, vacuity)
    store_scored(workspace, open_scorer(workspace, segmenter).digest, version, micrograph, image)


def ask(workspace, segmenter, studio, day=0):
    request = RankSettings(count=5, lease_hours=1, strategy="evidential")
    return rank(workspace, segmenter, studio, request, "ann", replace_day(day))


def replace_day(day):
    return START.replace(day=START.day + day)


def test_the_page_shows_the_map_over_the_micrograph_and_says_its_scale(workspace, segmenter, studio, tmp_path):
    shown, plain = (add_disc(workspace, tmp_path / "in") for _ in range(2))
    scored(workspace, segmenter, shown, CORNER)
    scored(workspace, segmenter, plain, None)
    report = ask(workspace, segmenter, studio)
    assert report.overlays == 1 and len(report.chosen) == 2
    tasks = {each.id: studio.stored_tasks[each.task].data for each in report.chosen}
    assert "look" not in tasks[plain.id]
    look = tasks[shown.id]["look"]
    assert look.startswith(explanation(segmenter.version, 0.5)) and "vacuity of 0.50" in look
    address = look.rsplit("(", 1)[1].removesuffix(")")
    picture = studio.images[address]
    assert picture.startswith(b"\x89PNG") and tasks[shown.id]["micrograph"] == shown.content_hash
    studio.calls.clear()
    assert ask(workspace, segmenter, studio, day=1).overlays == 1
    assert "tasks.upload_image" not in studio.calls and "tasks.change_data" not in studio.calls


def test_a_version_without_a_map_takes_the_old_one_away(workspace, segmenter, studio, tmp_path):
    micrograph = add_disc(workspace, tmp_path / "in")
    scored(workspace, segmenter, micrograph, CORNER)
    (chosen,) = ask(workspace, segmenter, studio).chosen
    backbone = segmenter.matsam.backbone
    other = BuiltinBackbone(backbone.weights, BuiltinSettings(min_area=9))
    another = replace(segmenter, matsam=MatSam(other, segmenter.matsam.preset))
    scored(workspace, another, micrograph, None)
    assert ask(workspace, another, studio, day=1).overlays == 0
    assert studio.stored_tasks[chosen.task].data["look"] == ""


def test_a_configuration_without_a_place_for_it_is_left_alone(workspace, segmenter, studio, tmp_path, caplog):
    studio.label_config = studio.label_config.replace('<Markdown value="$look" />', "")
    scored(workspace, segmenter, add_disc(workspace, tmp_path / "in"), CORNER)
    with caplog.at_level(logging.WARNING):
        report = ask(workspace, segmenter, studio)
    assert (report.overlays, report.written) == (0, True) and '<Markdown value="$look"/>' in caplog.text
    assert all("look" not in task.data for task in studio.stored_tasks.values())
    assert not shows_look(studio.label_config) and shows_look(labelling_config(["a"], instances=True))


def test_the_picture_is_small_and_keeps_its_sides():
    grey, vacuity = np.full((600, 960), 80, np.uint8), np.zeros((600, 960), np.float32)
    vacuity[:, 480:] = 0.4
    picture, top = vacuity_picture(grey, vacuity)
    assert picture.shape == (300, 480, 3) and top == pytest.approx(0.4)
    assert picture[150, 100].tolist() == [80, 80, 80] and picture[150, 400, 0] > picture[150, 400, 1] + 100
    assert vacuity_picture(grey, vacuity * 0.001)[1] == 0.05  # what is known everywhere is not painted red


def test_the_proxy_is_what_the_page_shows(workspace, tmp_path):
    micrograph = add_disc(workspace, tmp_path / "in")
    grey = load_proxy(workspace, micrograph)
    original = decode_micrograph(workspace.objects.get(micrograph.object_key), "x").pixels
    assert grey.dtype == np.uint8 and grey.shape == (96, 160)
    np.testing.assert_array_equal(grey, original)
