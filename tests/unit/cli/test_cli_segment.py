import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from matcurate.cli.app import run
from matcurate.imaging.dataset import write_sample

SHAPE = (96, 160)


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    rows, columns = np.mgrid[: SHAPE[0], : SHAPE[1]]
    truth = np.hypot(rows % 48 - 24, columns % 40 - 20) < 12
    pixels = (np.where(truth, 180.0, 70.0) + np.random.default_rng(0).normal(0, 3, SHAPE)).astype(np.uint8)
    write_sample(tmp_path / "data", "discs", pixels, truth.astype(np.uint8))
    return tmp_path / "data"


def curate(tmp_path: Path, *arguments: object) -> int:
    return run(["--home", str(tmp_path / "home"), *(str(a) for a in arguments)])


def test_segment_prints_one_json_document(tmp_path: Path, dataset: Path, capsys: pytest.CaptureFixture[str]) -> None:
    image = dataset / "images" / "discs.png"
    assert curate(tmp_path, "segment", image, "--out", tmp_path / "out", "--nm-per-px", 12.5, "--json") == 0
    (record,) = json.loads(capsys.readouterr().out)["images"]
    assert record["path"] == str(image)
    assert record["instances"] == 8
    assert record["nm_per_px"] == 12.5
    assert record["seconds"] > 0
    assert 0.2 < record["phase_fraction"] < 0.3
    with Image.open(tmp_path / "out" / "discs.phases.png") as phases:
        assert phases.size == (160, 96)


def test_segment_prints_a_table_and_refuses_the_bad_file(
    tmp_path: Path, dataset: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "bad.png").write_bytes(b"")
    images = dataset / "images" / "discs.png", tmp_path / "bad.png"
    assert curate(tmp_path, "segment", *images, "--out", tmp_path / "out") == 1
    printed = capsys.readouterr()
    assert "discs" in printed.out
    assert [line for line in printed.err.splitlines() if "bad.png" in line and line.startswith("error: ")]
    assert curate(tmp_path, "segment", tmp_path / "bad.png", "--out", tmp_path / "out") == 1
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("size", ["0", "-3", "nan"])
def test_segment_refuses_an_impossible_pixel_size(size: str, tmp_path: Path, dataset: Path) -> None:
    assert curate(tmp_path, "segment", dataset, "--out", tmp_path / "out", "--nm-per-px", size) == 2
    assert not (tmp_path / "out").exists()


def test_bench_segment_json(tmp_path: Path, dataset: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert curate(tmp_path, "bench", "segment", dataset, "--method", "matsam", "--backbone", "builtin", "--json") == 0
    report = json.loads(capsys.readouterr().out)
    assert {"dataset", "method", "backbone", "images", "iou", "iou_foreground", "f1", "recall", "ari"} <= set(report)
    assert (report["method"], report["backbone"], report["images"]) == ("matsam", "builtin", 1)
    assert report["iou"] > 0.95
    assert report["per_image"][0]["name"] == "discs"


def test_bench_segment_with_and_without_post_processing(
    tmp_path: Path, dataset: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for told, asked in ((), None), (("--no-post-processing",), False), (("--post-processing",), True):
        command = "bench", "segment", dataset, "--method", "otsu", "--preset", "grains", "--json", *told
        assert curate(tmp_path, *command) == 0
        report = json.loads(capsys.readouterr().out)
        assert report["post_processing"] is asked
        assert report["boundary_f1_2px"] is report["per_image"][0]["boundary_recall_3px"] is None


def test_bench_segment_table(tmp_path: Path, dataset: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert curate(tmp_path, "bench", "segment", dataset, "--method", "otsu", "--polarity", "dark") == 0
    printed = capsys.readouterr().out
    assert "mean" in printed
    assert "dark" in printed


def test_bench_segment_names_the_bad_image_and_exits_1(
    tmp_path: Path, dataset: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_sample(dataset, "second", np.zeros(SHAPE, np.uint8), np.zeros(SHAPE, np.uint8))
    (dataset / "images" / "second.png").write_bytes(b"")
    assert curate(tmp_path, "bench", "segment", dataset, "--method", "otsu", "--json") == 1
    printed = capsys.readouterr()
    assert json.loads(printed.out)["images"] == 1
    assert "second.png" in printed.err


def test_an_unsupported_method_is_a_usage_error(
    tmp_path: Path, dataset: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert curate(tmp_path, "bench", "segment", dataset, "--method", "nonsense") == 2
    assert "matsam, amg, otsu, bias, adaptive, canny, watershed" in " ".join(
        capsys.readouterr().err.replace("│", " ").split()
    )


def test_random_weights_need_a_backbone_with_weights(
    tmp_path: Path, dataset: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert curate(tmp_path, "bench", "segment", dataset, "--backbone", "builtin", "--random-weights") == 1
    assert "draws none at random" in capsys.readouterr().err


def test_amg_needs_a_backbone_of_sams_architecture(
    tmp_path: Path, dataset: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert curate(tmp_path, "bench", "segment", dataset, "--method", "amg", "--backbone", "builtin") == 1
    assert "does not run on 'builtin'; use --backbone vit_b" in capsys.readouterr().err


def test_amg_opens_its_filters(
    tmp_path: Path, dataset: Path, capsys: pytest.CaptureFixture[str], tiny_vit_b: None
) -> None:
    told = ("--method", "amg", "--backbone", "vit_b", "--random-weights", "--open-filters", "--json")
    assert curate(tmp_path, "bench", "segment", dataset, *told) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["method"], report["backbone"]) == ("amg", "vit_b")
    assert report["per_image"][0]["masks"] > 0


def test_bench_boost_json_and_table(tmp_path: Path, dataset: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = "bench", "boost", dataset, "--materials", 2, "--backbone", "builtin", "--preset", "inclusions"
    assert curate(tmp_path, *command, "--json") == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["materials"], report["backbone"], report["images"]) == (2, "builtin", 1)
    names = {"mIoU", "mRecall", "mPrecision", "mFPR", "boundary_mIoU"}
    assert names <= set(report["before"]) & set(report["after"])
    assert report["after"]["mIoU"] > report["before"]["mIoU"] + 0.3
    assert curate(tmp_path, *command) == 0
    assert "boundary mIoU" in capsys.readouterr().out


def test_bench_boost_refuses_a_number_that_is_none(tmp_path: Path, dataset: Path) -> None:
    assert curate(tmp_path, "bench", "boost", dataset, "--materials", "some") == 2


def test_segment_boost_gives_materials(tmp_path: Path, dataset: Path) -> None:
    image = dataset / "images" / "discs.png"
    assert curate(tmp_path, "segment", image, "--out", tmp_path / "out", "--backbone", "builtin", "--boost", 2) == 0
    with Image.open(tmp_path / "out" / "discs.phases.png") as phases:
        found = np.asarray(phases)
    with Image.open(dataset / "masks" / "discs.png") as mask:
        assert np.mean(found == np.asarray(mask) + 1) > 0.9
    assert curate(tmp_path, "segment", image, "--out", tmp_path / "out", "--boost", 0) == 2
