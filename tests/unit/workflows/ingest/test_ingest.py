"""Ingest: identity by content, pages, what is said of images, and files that are none."""

import hashlib
import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest

from matcurate.catalog import create_project, list_micrographs
from matcurate.config import load_settings
from matcurate.errors import CatalogError, UnreadableImageError
from matcurate.types import Calibration
from matcurate.workflows.home import load_original, open_workspace
from matcurate.workflows.ingest import Provenance, content_hash, ingest_bytes, ingest_files
from tests.unit.loop_samples import SHAPE, disc, make_workspace, png, tiff, write_discs


@pytest.fixture
def workspace(tmp_path):
    return make_workspace(tmp_path / "home", connected=False)


def catalogued(workspace):
    with workspace.reading() as session:
        return list_micrographs(session, workspace.project().id)


def calibrated_tiff(values, nm_per_px, **options):
    per_cm = 1e7 / nm_per_px
    return tiff(values, resolution=(per_cm, per_cm), resolutionunit="CENTIMETER", **options)


def huge_png_header():
    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", 40_000, 40_000, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def test_hash_of_a_single_page_is_the_files_own_and_pages_differ():
    assert content_hash(b"abc", 0, 1) == hashlib.sha256(b"abc").hexdigest()
    assert content_hash(b"abc", 0, 2) == hashlib.sha256(b"abc#page=0").hexdigest()
    assert content_hash(b"abc", 1, 2) != content_hash(b"abc", 0, 2)


def test_a_known_content_is_not_added_again_under_any_name(workspace, tmp_path):
    first, second = write_discs(tmp_path / "in", 2)
    (tmp_path / "in" / "sub").mkdir()
    (tmp_path / "in" / "sub" / "renamed.png").write_bytes(first.read_bytes())
    report = ingest_files(workspace, [tmp_path / "in"])
    assert [m.name for m in report.added] == ["disc0", "disc1"]
    assert [m.id for m in report.known] == [report.added[0].id] and report.refused == ()
    again = ingest_files(workspace, [first, second, first, tmp_path / "in"])
    assert again.added == () and len(again.known) == 3  # a path counts once, its copy again
    (only, other) = catalogued(workspace)
    assert (only.content_hash, only.shape, only.dtype) == (
        hashlib.sha256(first.read_bytes()).hexdigest(),
        SHAPE,
        "uint8",
    )
    assert only.source_path == str(first) and other.id == only.id + 1
    np.testing.assert_array_equal(load_original(workspace, only).pixels, disc(30, 40))


def test_every_page_of_a_tiff_becomes_a_micrograph(workspace, tmp_path):
    stack = np.stack([disc(20, 30), disc(40, 70), disc(60, 110)])
    (tmp_path / "stack.tif").write_bytes(tiff(stack, photometric="minisblack"))
    report = ingest_files(workspace, [tmp_path / "stack.tif"])
    assert [(m.name, m.page) for m in report.added] == [("stack_p000", 0), ("stack_p001", 1), ("stack_p002", 2)]
    assert len({m.content_hash for m in report.added}) == 3 and len({m.object_key for m in report.added}) == 1
    for page, micrograph in enumerate(report.added):
        np.testing.assert_array_equal(load_original(workspace, micrograph).pixels, stack[page])
    assert len(ingest_files(workspace, [tmp_path / "stack.tif"]).known) == 3


def test_pages_around_a_damaged_one_are_in_and_it_is_named(workspace, tmp_path):
    damaged = calibrated_tiff(disc(20, 30).astype(np.float32), 5.0)
    with_nan = np.stack([disc(20, 30), disc(40, 70), disc(60, 90)]).astype(np.float32)
    with_nan[1, 3, 4] = np.nan
    (tmp_path / "half.tif").write_bytes(tiff(with_nan, photometric="minisblack"))
    (tmp_path / "good.tif").write_bytes(damaged)
    report = ingest_files(workspace, [tmp_path / "half.tif", tmp_path / "good.tif"])
    assert [m.name for m in report.added] == ["half_p000", "half_p002", "good"]
    assert len(report.refused) == 1 and report.refused[0].startswith(f"{tmp_path / 'half.tif'}: page 1: holds NaN")
    np.testing.assert_array_equal(load_original(workspace, report.added[1]).pixels, with_nan[2])


def test_what_the_microscope_wrote_beside_the_image_is_kept(workspace, tmp_path):
    (tmp_path / "a.tif").write_bytes(tiff(disc(20, 30)))
    text = "[SemImageFile]\r\nInstructName=SU8000\r\nPixelSize=1.5\r\nAcceleratingVoltage=5000 Volt\r\n"
    (tmp_path / "a.txt").write_text(text, encoding="utf-16")
    (record,) = ingest_files(workspace, [tmp_path]).added
    assert record.nm_per_px == 1.5
    assert record.acquisition == {"instrument": "SU8000", "voltage_kv": 5.0, "scale_source": "Hitachi PixelSize"}
    assert catalogued(workspace) == [record]
    (tmp_path / "b.tif").write_bytes(tiff(disc(40, 30)))
    assert ingest_files(workspace, [tmp_path / "b.tif"]).added[0].acquisition is None


def test_calibration_of_the_tag_the_flag_and_of_neither(workspace, tmp_path):
    for name, row in (("tag", 20), ("flag", 40), ("both", 60)):
        data = calibrated_tiff(disc(row, 50), 12.5) if name != "flag" else png(disc(row, 50))
        (tmp_path / f"{name}.tif").write_bytes(data)
    plain = ingest_files(workspace, [tmp_path / "tag.tif"]).added[0]
    assert plain.nm_per_px == pytest.approx(12.5)
    said = Provenance(calibration=Calibration(8.0))
    flagged = ingest_files(workspace, [tmp_path / "flag.tif", tmp_path / "both.tif"], said).added
    assert [m.nm_per_px for m in flagged] == [8.0, 8.0]
    again = ingest_files(workspace, [tmp_path / "flag.tif", tmp_path / "both.tif"])
    assert [m.nm_per_px for m in again.known] == [8.0, 8.0] and again.refused == ()


def test_both_edges_of_a_pixel_are_kept(workspace, tmp_path):
    (path,) = write_discs(tmp_path, 1)
    tilted = Provenance(calibration=Calibration(8.0, aspect=1.5))
    (added,) = ingest_files(workspace, [path], tilted).added
    assert (added.nm_per_px, added.nm_per_px_y, added.calibration) == (8.0, 12.0, Calibration(8.0, aspect=1.5))
    assert ingest_files(workspace, [path], tilted).known == (added,)
    report = ingest_files(workspace, [path], Provenance(calibration=Calibration(8.0)))
    assert "8 x 12 nm per px, not 8; correct --nm-per-px" in report.refused[0]


def test_a_calibration_is_never_changed_in_silence(workspace, tmp_path):
    (path,) = write_discs(tmp_path, 1)
    ingest_files(workspace, [path], Provenance(calibration=Calibration(8.0)))
    report = ingest_files(workspace, [path], Provenance(calibration=Calibration(9.0)))
    assert report.known == () and "8 nm per px, not 9" in report.refused[0] and str(path) in report.refused[0]


def test_what_was_not_said_at_first_is_filled_in_later(workspace, tmp_path):
    (path,) = write_discs(tmp_path, 1)
    first = ingest_files(workspace, [path]).added[0]
    assert (first.lab, first.specimen, first.golden, first.nm_per_px) == (None, None, False, None)
    later = ingest_files(workspace, [path], Provenance("Jena", "A7", Calibration(3.0), golden=True)).known[0]
    assert (later.lab, later.specimen, later.golden, later.nm_per_px) == ("Jena", "A7", True, 3.0)
    assert ingest_files(workspace, [path]).known[0] == later


def test_each_bad_file_is_one_line_that_names_it_and_the_rest_goes_on(workspace, tmp_path):
    good = png(disc(30, 40))
    nan = disc(30, 40).astype(np.float32)
    nan[0, 0] = np.nan
    bad = {
        "note.png": (b"this is no image", "not a PNG"),
        "cut.png": (good[: len(good) // 2], ""),
        "empty.png": (b"", "empty (0 bytes)"),
        "huge.png": (huge_png_header(), "1600 megapixels"),
        "nan.tif": (tiff(nan), "holds NaN"),
    }
    for name, (data, _) in bad.items():
        (tmp_path / name).write_bytes(data)
    (tmp_path / "zz_good.png").write_bytes(good)
    report = ingest_files(workspace, [tmp_path, tmp_path / "missing.png"])
    assert [m.name for m in report.added] == ["zz_good"]
    assert len(report.refused) == len(bad) + 1 and all("\n" not in line for line in report.refused)
    for name, (_, reason) in bad.items():
        (line,) = [line for line in report.refused if line.startswith(f"{tmp_path / name}: ")]
        assert reason in line
    assert any("missing.png" in line for line in report.refused)


def test_a_folder_or_file_without_rights_is_one_line(workspace, tmp_path, monkeypatch):
    write_discs(tmp_path / "open", 1)
    (tmp_path / "open" / "locked").mkdir()
    (path,) = write_discs(tmp_path / "file", 1)
    real_scandir, real_read = os.scandir, Path.read_bytes

    def scandir(folder):
        if str(folder).endswith("locked"):
            raise PermissionError(13, "Permission denied", str(folder))
        return real_scandir(folder)

    def read_bytes(file):
        if file == path:
            raise PermissionError(13, "Permission denied", str(file))
        return real_read(file)

    monkeypatch.setattr(os, "scandir", scandir)
    monkeypatch.setattr(Path, "read_bytes", read_bytes)
    report = ingest_files(workspace, [tmp_path / "open", path])
    assert [m.name for m in report.added] == ["disc0"]
    assert len(report.refused) == 2
    assert "locked: cannot be listed (Permission denied)" in report.refused[0]
    assert report.refused[1].startswith(f"{path}: Permission denied; ")


@pytest.mark.parametrize(
    "name", ["image (1).png copy", "über.größe", "noending", "x.tif~", "a.verylongendingofafilename"]
)
def test_files_named_directly_may_have_any_ending(workspace, tmp_path, name):
    (tmp_path / name).write_bytes(png(disc(30, 40)))
    (record,) = ingest_files(workspace, [tmp_path / name]).added
    assert record.name == Path(name).stem and record.object_key.count(".") == 0
    np.testing.assert_array_equal(load_original(workspace, record).pixels, disc(30, 40))


def test_progress_counts_files(workspace, tmp_path):
    seen = []
    ingest_files(
        workspace, write_discs(tmp_path, 2), progress=lambda done, total, note="": seen.append((done, total, note))
    )
    assert seen == [(0, 2, "disc0.png"), (1, 2, "disc1.png"), (2, 2, "")]


def test_without_a_project_nothing_is_read(tmp_path):
    workspace = open_workspace(load_settings(tmp_path / "home"))
    with pytest.raises(CatalogError, match="curate init"):
        ingest_files(workspace, write_discs(tmp_path, 2))
    assert not (tmp_path / "home" / "objects").exists()


def test_a_second_project_shares_the_image(workspace, tmp_path):
    paths = write_discs(tmp_path, 1)
    first = ingest_files(workspace, paths).added[0]
    with workspace.writing() as session:
        create_project(session, "other", ["pore"], "phases")
    other = open_workspace(workspace.settings.model_copy(update={"project": "other"}))
    assert [m.id for m in ingest_files(other, paths).added] == [first.id]


def test_bytes_that_are_no_image_name_what_was_read(workspace):
    with pytest.raises(UnreadableImageError, match=r"^upload\.png: "):
        list(ingest_bytes(workspace, b"\x89PNG\r\n\x1a\nrubbish", "upload.png", "task 3", Provenance()))
