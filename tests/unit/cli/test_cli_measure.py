import json
from pathlib import Path

import numpy as np
import pytest

from matcurate.cli.app import run
from matcurate.imaging.labels import write_labels

SHAPE = (96, 160)


@pytest.fixture
def grains(tmp_path: Path) -> Path:
    """48 squares of 16 µm at 1 µm a pixel, the outer ones cut."""
    rows, columns = np.mgrid[: SHAPE[0], : SHAPE[1]]
    ids = (rows + 5) // 16 * 12 + (columns + 11) // 16 + 1
    write_labels(tmp_path / "steel.instances.tif", ids)
    return tmp_path / "steel.instances.tif"


def curate(tmp_path: Path, *arguments: object) -> int:
    return run(["--home", str(tmp_path / "home"), "measure", *(str(a) for a in arguments)])


def test_measure_prints_one_json_document(tmp_path: Path, grains: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert curate(tmp_path, grains, "--nm-per-px", 1000, "--json") == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["path"], report["name"]) == (str(grains), "steel")
    assert report["phase_fractions"] == {"1": 1.0}
    assert len(report["objects"]) == report["summary"]["count"] == 77
    whole = [row for row in report["objects"] if not row["touches_border"]]
    assert len(whole) == 45
    assert {"perimeter_um", "equivalent_diameter_um", "circularity", "x_um", "y_um"} <= set(whole[0])
    assert {row["area_um2"] for row in whole} == {256.0}
    grain_size = report["summary"]["grain_size"]
    exact = 3.321928 * np.log10(1e6 / 256) - 2.954
    assert grain_size["planimetric"]["grain_size_number"] == pytest.approx(exact, abs=0.05)
    assert grain_size["planimetric"]["mean_area"] == pytest.approx(256, rel=0.03)
    # lines along the edges meet one on 16 µm, diagonal ones two on 16 √2 µm
    intercept = 16 * 4 / (2 + 2 * np.sqrt(2))
    assert grain_size["intercept"]["mean_intercept"] == pytest.approx(intercept, rel=0.03)


def test_measure_prints_tables(tmp_path: Path, grains: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert curate(tmp_path, grains, "--nm-per-px", 1000, "--out", tmp_path / "out") == 0
    printed = capsys.readouterr().out
    for text in ("77 grains, the first 20", "lengths in um", "ASTM E112 G, intercept", "ASTM E112 G, planimetric"):
        assert text in printed
    assert "circularity" in printed
    assert "steel.morphology.png" in printed.replace("\n", "")
    assert (tmp_path / "out" / "steel.objects.csv").is_file()


def test_without_a_pixel_size_lengths_are_in_pixels(
    tmp_path: Path, grains: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert curate(tmp_path, grains) == 0
    printed = " ".join(capsys.readouterr().out.replace("│", " ").split())
    assert "lengths in px" in printed
    assert "no pixel size" in printed


def test_nanometres(tmp_path: Path, grains: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert curate(tmp_path, grains, "--nm-per-px", 0.5) == 0
    printed = capsys.readouterr().out
    assert "lengths in nm" in printed
    assert "│    64 │" in printed  # 16 x 16 pixels of 0.25 nm²


def test_objects_apart_and_an_empty_image(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ids = np.zeros(SHAPE, dtype=np.uint8)
    write_labels(tmp_path / "empty.png", ids)
    assert curate(tmp_path, tmp_path / "empty.png") == 0
    assert "circularity, mean" in capsys.readouterr().out
    ids[20:30, 20:30] = 4
    write_labels(tmp_path / "one.png", ids)
    assert curate(tmp_path, tmp_path / "one.png", "--as", "instances", "--structure", "objects") == 0
    printed = capsys.readouterr().out
    assert "1 objects" in printed
    assert "the first" not in printed


def test_bad_input_is_one_line(tmp_path: Path, grains: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert curate(tmp_path, tmp_path / "none.tif") == 1
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    assert "none.tif" in error
    for size in ("0", "-2", "nan"):
        assert curate(tmp_path, grains, "--nm-per-px", size) == 2
        assert curate(tmp_path, grains, "--nm-per-px", 1, "--nm-per-px-y", size) == 2
    assert curate(tmp_path, grains, "--nm-per-px-y", 2) == 2
    assert curate(tmp_path, grains, "--boundaries", "white", "--as", "instances") == 2
    assert curate(tmp_path, grains, "--phases", grains, "--as", "phases") == 2
    assert "--as" in capsys.readouterr().err


def test_boundaries_and_both_edges_of_a_pixel(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows, columns = np.mgrid[: SHAPE[0], : SHAPE[1]]
    write_labels(tmp_path / "lines.png", np.where((rows % 16 == 0) | (columns % 16 == 0), 255, 0))
    assert curate(tmp_path, tmp_path / "lines.png", "--nm-per-px", 1000, "--nm-per-px-y", 2000, "--json") == 0
    report = json.loads(capsys.readouterr().out)
    assert report["boundaries"]["lines"] == "white" and report["summary"]["count"] == 60
    assert (report["summary"]["nm_per_px"], report["summary"]["nm_per_px_y"]) == (1000.0, 2000.0)
    assert {row["area_um2"] for row in report["objects"]} == {15 * 15 * 2.0}
    assert curate(tmp_path, tmp_path / "lines.png") == 0
    assert "is read as white boundary lines" in capsys.readouterr().out
