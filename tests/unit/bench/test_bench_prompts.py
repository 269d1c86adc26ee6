"""The simulated expert, by hand, and the command on generated particles."""

import json

import numpy as np
import pytest

from matcurate.bench.prompts import bench_prompts, iou_of, largest_part, middle_of
from matcurate.cli.app import run
from matcurate.config import Settings
from matcurate.errors import DatasetError
from matcurate.promptable.clicks import best_mask
from matcurate.types import Candidate


def test_the_click_is_farthest_from_the_border_also_at_the_edge_of_the_image():
    mask = np.zeros((20, 40), dtype=bool)
    mask[4:15, 30:] = True  # 11 rows, 10 columns to the right edge
    x, y = middle_of(mask)
    assert 8 <= y <= 10 and 34 <= x <= 35  # five pixels from the nearest border


def test_the_largest_part_is_one_connected_region():
    mask = np.zeros((10, 20), dtype=bool)
    mask[1:4, 1:4], mask[6:9, 8:18] = True, True
    part = largest_part(mask)
    assert part.sum() == 30 and part[7, 10] and not part[2, 2]
    assert not largest_part(np.zeros((4, 6), dtype=bool)).any()


def test_the_mask_is_the_best_candidate_and_none_is_empty():
    one = Candidate(0, 0, np.ones((2, 2), dtype=bool), 0.4)
    other = Candidate(3, 5, np.ones((1, 3), dtype=bool), 0.6)
    assert best_mask([one, other], (6, 9)).sum() == 3 and not best_mask([], (6, 9)).any()
    assert iou_of(best_mask([one], (6, 9)), best_mask([other], (6, 9))) == 0


def test_clicks_on_generated_precipitates_do_not_lose_the_mask(tmp_path, capsys):
    data, home = tmp_path / "data", tmp_path / "home"
    synth = ["synth", "--kind", "precipitates", "-n", "1", "--size", "160x240", "--out", str(data)]
    assert run(["--home", str(home), *synth]) == 0
    capsys.readouterr()
    assert run(["--home", str(home), "bench", "prompts", str(data), "--clicks", "3", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert set(report["iou_after"]) == {"1", "2", "3"}
    assert 0.5 < report["iou_after"]["1"] and report["iou_after"]["3"] > report["iou_after"]["1"] - 0.02
    assert 1 <= report["clicks_to_90"] <= 4 and report["objects"] > 0 and report["next_seconds"] >= 0


def test_a_folder_without_objects_is_refused(tmp_path):
    from PIL import Image

    for name in ("images", "masks"):
        (tmp_path / name).mkdir()
        Image.fromarray(np.zeros((64, 96), dtype=np.uint8)).save(tmp_path / name / "a.png")
    with pytest.raises(DatasetError, match="no object of 30 pixels"):
        bench_prompts(tmp_path, Settings(home=tmp_path / "home"), backbone="builtin")
