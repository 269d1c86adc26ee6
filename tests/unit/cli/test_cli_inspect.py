"""``curate inspect``: the JSON of the contract, the table, and files that cannot be read."""

import io
import json
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from matcurate.cli.app import run
from matcurate.plain import inspect as module
from matcurate.types import Calibration

SHAPE = (96, 160)


def curate(tmp_path: Path, *arguments: object) -> int:
    return run(["--home", str(tmp_path / "home"), "inspect", *(str(argument) for argument in arguments)])


@pytest.fixture
def fei(tmp_path: Path) -> Path:
    """An image of 90 rows with a bar of 6, 5 nm x 8 nm a pixel."""
    lines = (
        "[Scan]",
        "PixelWidth=5e-09",
        "PixelHeight=8e-09",
        "[Image]",
        "ResolutionY=90",
        "[System]",
        "SystemType=Helios",
    )
    text = "\r\n".join(lines)
    path = tmp_path / "fei.tif"
    tifffile.imwrite(path, np.zeros(SHAPE, np.uint8), extratags=[(34682, "s", 0, text, True)])
    return path


def test_one_json_document_as_the_contract_says(tmp_path: Path, fei: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert curate(tmp_path, fei, "--json") == 0
    report = json.loads(capsys.readouterr().out)
    assert report["problems"] == []
    (file,) = report["files"]
    assert (file["path"], file["format"]) == (str(fei), "TIFF")
    (page,) = file["pages"]
    expected = {
        "page": 0,
        "name": "",
        "height": 96,
        "width": 160,
        "dtype": "uint8",
        "nm_per_px": 5.0,
        "nm_per_px_y": 8.0,
        "scale_source": "FEI Scan.PixelWidth",
        "databar": [90, 96],
    }
    assert {key: page[key] for key in expected} == expected
    assert page["acquisition"]["instrument"] == "Helios"


def test_a_table_and_one_line_for_what_cannot_be_read(
    tmp_path: Path, fei: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    (tmp_path / "note.png").write_bytes(b"no image")
    stack = np.zeros((3, *SHAPE), np.float32)
    stack[1, 0, 0] = np.nan
    tifffile.imwrite(tmp_path / "stack.tif", stack, photometric="minisblack")
    assert curate(tmp_path, fei, tmp_path / "note.png", tmp_path / "stack.tif") == 1
    printed = capsys.readouterr()
    assert "5 x 8" in printed.out and "90 to 96" in printed.out and "Helios" in printed.out
    lines = printed.err.splitlines()
    assert len(lines) == 2
    assert lines[0].startswith(f"error: {tmp_path / 'note.png'}: not a PNG")
    assert lines[1].startswith(f"error: {tmp_path / 'stack.tif'}: page 1: holds NaN")


def test_a_turned_photograph_is_as_high_as_it_is_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    exif = Image.Exif()
    exif[274] = 6
    buffer = io.BytesIO()
    Image.fromarray(np.zeros((48, 69), np.uint8)).save(buffer, "JPEG", exif=exif)
    (tmp_path / "a.jpg").write_bytes(buffer.getvalue())
    assert curate(tmp_path, tmp_path / "a.jpg", "--json") == 0
    (page,) = json.loads(capsys.readouterr().out)["files"][0]["pages"]
    assert (page["height"], page["width"], page["databar"], page["nm_per_px"]) == (69, 48, None, None)


def test_a_scale_bar_that_contradicts_the_file_is_a_warning(
    fei: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    seen = []

    def check(pixels: np.ndarray, calibration: Calibration | None) -> str:
        seen.append((pixels.shape, calibration))
        return "the scale bar reads 500 nm"

    monkeypatch.setattr(module, "check_scale_bar", check)
    assert run(["inspect", str(fei), "--json"]) == 0
    (page,) = json.loads(capsys.readouterr().out)["files"][0]["pages"]
    assert page["warnings"][-1] == "the scale bar reads 500 nm"
    assert [(shape, calibration.nm_per_px) for shape, calibration in seen] == [
        ((page["height"], page["width"]), page["nm_per_px"])
    ]
