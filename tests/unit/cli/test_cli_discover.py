"""``curate discover`` and ``curate bench discover`` on two generated textures side by side."""

import json
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from matcurate.bench.discover import matched_accuracy
from matcurate.cli.app import run
from matcurate.imaging import texture, write_labels

SHAPE = (192, 256)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """``two.png`` of two textures with its mask, ``one.png`` of one, and ``flat.png`` of none."""
    parts = [texture((SHAPE[0], SHAPE[1] // 2), np.random.default_rng(seed)) for seed in (1, 2)]
    Image.fromarray(np.hstack(parts)).save(tmp_path / "two.png")
    Image.fromarray(texture(SHAPE, np.random.default_rng(1))).save(tmp_path / "one.png")
    Image.fromarray(np.full(SHAPE, 90, np.uint8)).save(tmp_path / "flat.png")
    write_labels(tmp_path / "truth.png", np.repeat([0, 1], SHAPE[1] // 2)[None].repeat(SHAPE[0], 0).astype(np.uint8))
    return tmp_path


def curate(folder: Path, *arguments: object) -> int:
    return run(["--home", str(folder / "home"), *(str(argument) for argument in arguments)])


def test_discover_writes_regions_overlay_and_plot(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert curate(folder, "discover", folder / "two.png", "--out", folder / "out", "--count-bars", "--json") == 0
    (image,) = json.loads(capsys.readouterr().out)["images"]
    assert image["regions"] == 2 and image["classes"] is None and image["segmented"] is None
    assert image["fractions"] == pytest.approx([0.5, 0.5], abs=0.05)
    assert image["reason"].startswith("2 regions: probability")
    labels = tifffile.imread(folder / "out" / "two.regions.tif")
    assert labels.shape == SHAPE and set(np.unique(labels)) == {1, 2}
    assert labels[96, 30] != labels[96, 220]
    for name in ("two.overlay.png", "two.regions.png"):
        with Image.open(folder / "out" / name) as picture:
            assert min(picture.size) > 100
    assert not (folder / "home").exists()


def test_one_texture_is_handed_over_to_segment(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    paths = folder / "one.png", folder / "flat.png"
    assert curate(folder, "discover", *paths, "--out", folder / "out", "--count-bars") == 1
    printed = capsys.readouterr()
    assert "one: one texture: probability" in printed.out
    assert "as 'curate segment' does" in printed.out
    assert "no class has been named" in printed.err
    assert (folder / "out" / "one.instances.tif").is_file() and (folder / "out" / "one.objects.csv").is_file()
    (problem,) = [line for line in printed.err.splitlines() if line.startswith("error: ")]
    assert problem.endswith("flat.png: all pixels are equal; there is no texture to divide")


def test_a_number_that_is_asked_for_is_not_handed_over(folder: Path) -> None:
    arguments = ("--out", folder / "out", "--regions", 1, "--engine", "fisher")
    assert curate(folder, "discover", folder / "one.png", *arguments) == 0
    assert not (folder / "out" / "one.instances.tif").exists()


@pytest.mark.parametrize(("regions", "code"), [("50", 1), ("two", 2), ("-1", 2)])
def test_an_impossible_number_is_refused(
    regions: str, code: int, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ("--out", folder / "out", "--regions", regions)
    assert curate(folder, "discover", folder / "two.png", *arguments) == code
    if code == 1:
        assert "two.png: 50 regions cannot be asked for; give 1 to 20, or auto" in capsys.readouterr().err


@pytest.mark.parametrize("engine", ["network", "fisher"])
def test_bench_discover_prints_what_the_contract_says(
    engine: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ("--truth", folder / "truth.png", "--engine", engine, "--json")
    assert curate(folder, "bench", "discover", folder / "two.png", *arguments) == 0
    report = json.loads(capsys.readouterr().out)
    assert list(report) == ["regions_found", "regions_true", "pixel_accuracy", "seconds"]
    assert report["regions_true"] == 2
    assert report["pixel_accuracy"] > (0.95 if report["regions_found"] == 2 else 0.6)


def test_bench_discover_refuses_a_mask_of_another_size(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_labels(folder / "small.png", np.zeros((96, 160), np.uint8))
    assert curate(folder, "bench", "discover", folder / "two.png", "--truth", folder / "small.png") == 1
    assert "give both at one size" in capsys.readouterr().err


def test_matched_accuracy_by_hand() -> None:
    truth = np.array([0, 0, 0, 1, 1, 2], np.uint8)
    assert matched_accuracy(np.array([3, 3, 3, 1, 1, 2], np.uint8), truth) == 1  # only the numbers differ
    assert matched_accuracy(np.array([1, 1, 1, 1, 1, 1], np.uint8), truth) == 0.5  # the largest alone is right
    assert matched_accuracy(np.array([1, 2, 3, 4, 4, 5], np.uint8), truth) == 4 / 6  # one piece of the first counts
