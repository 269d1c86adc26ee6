"""Every format that lies in one file: values, pages with their names, scale; and what is no image."""

from __future__ import annotations

import builtins
import sys
from pathlib import Path

import numpy as np
import pytest

from matcurate.errors import UnreadableImageError
from matcurate.imaging.formats import FORMATS, SUFFIXES
from matcurate.imaging.micrograph import Micrograph
from matcurate.imaging.read import decode_micrograph, decoded_image, find_images, opened_image, read_micrograph
from tests.unit.imaging.formats.format_samples import (
    SAMPLES,
    SHAPE,
    STACK,
    dm,
    hspy,
    imaris,
    mrc,
    nrrd,
    oib,
    ramp,
    ser,
    velox,
    write_oif,
)

EXPECTED = {
    "film.dm3": ("DM3", 2.5, 2.5, [""]),
    "film.dm4": ("DM4", 2.5, 2.5, [""]),
    "stack.dm3": ("DM3", 2.5, 2.5, ["film, z 0", "film, z 1"]),
    "film.mrc": ("MRC", 0.5, 0.5, ["z 0", "z 1"]),
    "film.ser": ("SER", 3.0, 3.0, [""]),
    "film.nrrd": ("NRRD", 1500.0, 2000.0, ["axis 2 0", "axis 2 1"]),
    "berkeley.emd": ("EMD", 0.75, 0.75, ["film, z 0", "film, z 1"]),
    "film.ims": ("IMS", 500.0, 1000.0, ["SE, z 0", "SE, z 1", "BSE, z 0", "BSE, z 1"]),
    "film.hspy": ("HSPY", 6.0, 6.0, ["film, z 0", "film, z 1"]),
    "film.czi": ("CZI", 12.5, 12.5, ["a", "b"]),
    "film.lif": ("LIF", 200.0, 200.0, ["Series1, z 0", "Series1, z 1"]),
    "film.oib": ("OIB", 250.0, 250.0, ["channel 1", "channel 2"]),
}


def pages(data: bytes, name: str) -> list[Micrograph]:
    with decoded_image(data, name) as image:
        return [image.read(page) for page in range(image.pages)]


@pytest.mark.parametrize("name", EXPECTED)
def test_pages_values_and_scale(name: str) -> None:
    kind, x, y, names = EXPECTED[name]
    data = SAMPLES[name]()
    with decoded_image(data, name) as image:
        assert image.format == kind
    read = pages(data, name)
    assert [page.page_name for page in read] == names
    for number, page in enumerate(read):
        assert page.shape == SHAPE and page.pixels.dtype == np.uint16
        np.testing.assert_array_equal(page.pixels, STACK[number % 2] + number // 2)
        assert page.calibration is not None and page.calibration.source.startswith((kind, "Olympus"))
        assert (page.calibration.nm_per_px, page.calibration.nm_per_px_y) == (pytest.approx(x), pytest.approx(y))
        assert page.warnings == ()


def test_velox_frames_and_recording() -> None:
    first, second = pages(velox(STACK), "velox.emd")
    np.testing.assert_array_equal(second.pixels, STACK[1])
    assert first.calibration is not None and first.calibration.nm_per_px == pytest.approx(0.4)
    assert first.acquisition.voltage_kv == 300 and first.acquisition.acquired_at == "2023-11-14T22:13:20"
    assert second.page_name.endswith("Time 1")


@pytest.mark.parametrize(
    ("plugin", "data"),
    [("digitalmicrograph", dm(ramp())), ("mrc", mrc(STACK)), ("tia", ser(ramp())), ("emd", velox(STACK))],
)
def test_the_scale_is_the_one_that_rosettasciio_gives(plugin: str, data: bytes, tmp_path: Path) -> None:
    suffix = {"digitalmicrograph": "dm3", "tia": "ser"}.get(plugin, plugin)
    path = tmp_path / f"film.{suffix}"
    path.write_bytes(data)
    module = __import__(f"rsciio.{plugin}", fromlist=["file_reader"])
    axes = module.file_reader(str(path))[0]["axes"]
    assert axes[-1]["units"] == "nm"
    calibration = read_micrograph(path).calibration
    assert calibration is not None and calibration.nm_per_px == pytest.approx(axes[-1]["scale"])


def test_reciprocal_units_are_no_length() -> None:
    assert pages(dm(ramp(), unit="1/nm"), "x.dm3")[0].calibration is None
    assert pages(hspy(STACK, unit="1 / nm"), "x.hspy")[0].calibration is None


def test_a_compound_document_without_an_end_is_refused_at_once() -> None:
    data = bytearray(oib(STACK))
    data[512 + 4 * 2 : 512 + 4 * 3] = (1).to_bytes(4, "little")  # the second sector of a stream leads to its first
    with pytest.raises(UnreadableImageError, match="comes back to itself"):
        decode_micrograph(bytes(data), "x.oib")


def test_pixels_beside_the_file(tmp_path: Path) -> None:
    write_oif(tmp_path / "film.oif", STACK)
    with opened_image(tmp_path / "film.oif") as image:
        assert (image.format, image.pages, image.in_one_file) == ("OIF", 2, False)
        np.testing.assert_array_equal(image.read(1).pixels, STACK[1])
    with pytest.raises(UnreadableImageError, match=r"folder beside it; save it as \.oib"):
        decode_micrograph((tmp_path / "film.oif").read_bytes(), "film.oif")
    with pytest.raises(UnreadableImageError, match=r"film\.emi: an EMI file holds no pixels; name .*film_1\.ser"):
        decode_micrograph(b"JK\2\0" + b"\0" * 60, "film.emi")
    detached = nrrd(STACK).replace(b"encoding: raw\n", b"encoding: raw\ndata file: other.raw\n")
    with pytest.raises(UnreadableImageError, match=r"another file; save it as \.nrrd with the data attached"):
        decode_micrograph(detached, "x.nrrd")


def test_a_spectrum_is_no_image() -> None:
    with pytest.raises(UnreadableImageError, match="no image, only spectra"):
        decode_micrograph(dm(ramp()[0]), "x.dm3")


def test_hdf5_of_another_kind_is_not_read() -> None:
    import io

    import h5py

    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        file["table"] = np.zeros(4)
    with pytest.raises(UnreadableImageError, match="not a PNG"):
        decode_micrograph(buffer.getvalue(), "x.h5")


def test_without_the_extra_one_line_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def refuse(name: str, *arguments: object, **options: object) -> object:
        if name.partition(".")[0] in {"rsciio", "h5py", "pylibCZIrw", "liffile", "oiffile", "nrrd"}:
            raise ImportError(name)
        return real(name, *arguments, **options)  # type: ignore[arg-type]

    samples = {name: make() for name, make in SAMPLES.items()}
    for module in [name for name in sys.modules if name.partition(".")[0] in {"rsciio", "h5py", "liffile", "nrrd"}]:
        monkeypatch.delitem(sys.modules, module)
    for module in ("rsciio", "rsciio.mrc", "rsciio.tia", "rsciio.digitalmicrograph", "h5py", "nrrd", "liffile"):
        monkeypatch.setitem(sys.modules, module, None)
    for module in ("pylibCZIrw", "pylibCZIrw.czi", "oiffile"):
        monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.setattr(builtins, "__import__", refuse)
    refusals = {}
    for name, data in samples.items():
        try:
            decode_micrograph(data, name)
        except UnreadableImageError as error:
            refusals[name] = str(error)
    assert len(refusals) >= 13  # a format that we read ourselves needs no library
    for name, message in refusals.items():
        assert message.startswith(f"{name}: its format needs the library ")
        assert message.endswith("; install it by 'pip install matcurate[microscopes]'")


def test_lists_are_derived_from_the_registry(tmp_path: Path) -> None:
    assert len(set(SUFFIXES)) == len(SUFFIXES) and all(suffix == suffix.lower() for suffix in SUFFIXES)
    for name in SAMPLES:
        (tmp_path / name).touch()
    assert [path.name for path in find_images([tmp_path])[0]] == sorted(SAMPLES)
    with pytest.raises(UnreadableImageError) as caught:
        decode_micrograph(b"hello", "x")
    for kind in FORMATS:
        assert not kind.suffixes or kind.name in str(caught.value)


@pytest.mark.parametrize("name", SAMPLES)
def test_a_cut_file_is_refused_in_one_line_or_keeps_whole_pages(name: str) -> None:
    data = SAMPLES[name]()
    for part in (0.05, 0.3, 0.6, 0.95):
        try:
            read = pages(data[: int(part * len(data))], name)
        except UnreadableImageError as error:
            assert str(error).startswith(f"{name}: ") and "\n" not in str(error)
        else:
            assert all(page.shape == SHAPE for page in read)


def test_channels_of_imaris_without_a_name_are_numbered() -> None:
    assert [page.page_name for page in pages(imaris({"": ramp()[None]}), "x.ims")] == ["channel 0"]
