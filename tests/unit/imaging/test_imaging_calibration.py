"""Pixel sizes from TIFF tags, by hand."""

import io

import numpy as np
import pytest
import tifffile

from matcurate.imaging.calibration import StatedScale, agreed_calibration, length_nm, nm_per_unit, number
from matcurate.imaging.read import decode_micrograph

IMAGE = np.zeros((96, 160), np.uint8)


def nm_per_px(**options: object) -> float | None:
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, IMAGE, **options)
    calibration = decode_micrograph(buffer.getvalue(), "x.tif").calibration
    return None if calibration is None else calibration.nm_per_px


def test_without_tags_there_is_no_calibration() -> None:
    assert nm_per_px() is None


@pytest.mark.parametrize("dpi", [72, 96, 150, 300, 600, 1200, 2400])
def test_printing_defaults_are_ignored(dpi: int) -> None:
    assert nm_per_px(resolution=(dpi, dpi), resolutionunit="inch") is None
    assert nm_per_px(resolution=(dpi / 2.54, dpi / 2.54), resolutionunit="centimeter") is None


def test_fine_resolution_tags_are_believed() -> None:
    assert nm_per_px(resolution=(1e6, 1e6), resolutionunit="centimeter") == pytest.approx(10.0)
    assert nm_per_px(resolution=(254_000, 254_000), resolutionunit="inch") == pytest.approx(100.0)
    assert nm_per_px(resolution=(1e6, 1e6), resolutionunit="none") is None


def test_pixels_that_are_not_square_keep_both_edges() -> None:
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, IMAGE, resolution=(1e6, 2e6), resolutionunit="centimeter")
    calibration = decode_micrograph(buffer.getvalue(), "x.tif").calibration
    assert calibration is not None
    assert (calibration.nm_per_px, calibration.nm_per_px_y) == (pytest.approx(10.0), pytest.approx(5.0))
    nearly = agreed_calibration([StatedScale(10.0, "tag", 10.05)])[0]
    assert nearly is not None and nearly.aspect == 1.0


@pytest.mark.parametrize(
    ("unit", "per_unit", "nm"),
    [
        ("nm", 0.5, 2.0),
        ("um", 4.0, 250.0),
        ("\\u00B5m", 4.0, 250.0),
        ("micron", 4.0, 250.0),
        ("mm", 100.0, 1e4),
        ("mm", 50.0, 2e4),
        ("cm", 50.0, 2e5),
    ],
)
def test_imagej_units(unit: str, per_unit: float, nm: float) -> None:
    got = nm_per_px(imagej=True, resolution=(per_unit, per_unit), metadata={"unit": unit})
    assert got == pytest.approx(nm)


def test_imagej_does_not_make_printing_defaults_or_bare_pixels_believable() -> None:
    assert nm_per_px(imagej=True, resolution=(72, 72), metadata={"unit": "inch"}) is None
    assert nm_per_px(imagej=True, resolution=(1e6, 1e6), metadata={"unit": "pixel"}) is None
    assert nm_per_px(imagej=True, metadata={"unit": "nm"}) in (None, pytest.approx(1.0))


def ome(attributes: str) -> str:
    return (
        '<?xml version="1.0" encoding="UTF-8"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06">'
        f'<Image ID="Image:0"><Pixels ID="Pixels:0" {attributes}></Pixels></Image></OME>'
    )


@pytest.mark.parametrize(
    ("attributes", "nm"),
    [
        ('PhysicalSizeX="0.25" PhysicalSizeY="0.25"', 250.0),  # the schema's default unit is µm
        ('PhysicalSizeX="3" PhysicalSizeXUnit="nm" PhysicalSizeY="3" PhysicalSizeYUnit="nm"', 3.0),
        ('PhysicalSizeX="3" PhysicalSizeXUnit="nm" PhysicalSizeY="0.003"', 3.0),
        ('PhysicalSizeX="3" PhysicalSizeXUnit="nm" PhysicalSizeY="4" PhysicalSizeYUnit="nm"', 3.0),
        ('PhysicalSizeX="3" PhysicalSizeXUnit="pixel" PhysicalSizeY="3"', None),
        ('PhysicalSizeX="wide" PhysicalSizeY="3"', None),
        ('PhysicalSizeX="-3" PhysicalSizeY="-3"', None),
        ('PhysicalSizeX="inf" PhysicalSizeY="inf"', None),
        ("", None),
    ],
)
def test_ome_physical_size(attributes: str, nm: float | None) -> None:
    got = nm_per_px(description=ome(attributes), metadata=None)
    assert got == (None if nm is None else pytest.approx(nm))


def test_broken_ome_is_no_calibration() -> None:
    assert nm_per_px(description=ome('PhysicalSizeX="0.25"').replace("</Pixels>", ""), metadata=None) is None


def test_fei_pixel_width_in_metres() -> None:
    text = "[User]\r\nUser=lab\r\n[Scan]\r\nPixelWidth=5.5e-09\r\nPixelHeight=5.5e-09\r\n"
    for tag in (34680, 34682):  # FEI_SFEG, FEI_HELIOS
        assert nm_per_px(extratags=[(tag, "s", 0, text, True)]) == pytest.approx(5.5)
    no_scan: list[object] = [(34682, "s", 0, "[User]\r\nUser=lab\r\n", True)]
    assert nm_per_px(extratags=no_scan) is None


def test_zeiss_tag_of_a_real_file_layout() -> None:
    text = "\r\n".join(["0"] * 4 + ["AP_IMAGE_PIXEL_SIZE", "Image Pixel Size = 12.5 nm", ""])
    assert nm_per_px(extratags=[(34118, "s", 0, text, True)]) == pytest.approx(12.5)


def test_units_as_people_write_them() -> None:
    spellings = {"µm": 1e3, "μm": 1e3, " UM ": 1e3, "Å": 0.1, "Ångström": 0.1, "nm": 1.0, "parsec": None}
    assert {unit: nm_per_unit(unit) for unit in spellings} == spellings


def test_damaged_micrometres_are_micrometres_and_reciprocals_are_no_length() -> None:
    assert [nm_per_unit(unit) for unit in ("?m", "\ufffdm", "Âµm")] == [1e3] * 3
    assert [nm_per_unit(unit) for unit in ("1/nm", "1 / nm", "nm^-1", "pixel", "px", "")] == [None] * 6
    assert length_nm("2,615 µm") == pytest.approx(2615)
    assert length_nm("261.5 pm") == pytest.approx(0.2615)
    assert length_nm(4.0, "1/nm") is None and length_nm("4") is None and length_nm(None) is None


def test_numbers_of_files() -> None:
    values = {"2,5": 2.5, " 3e-9 ": 3e-9, "": None, "nan": None, "inf": None, "1,000.5": None, True: None, None: None}
    assert {value: number(value) for value in values} == values


def test_the_first_believable_size_counts_and_contradictions_are_named() -> None:
    scales = [
        StatedScale(0.0, "a"),
        StatedScale(float("nan"), "b"),
        StatedScale(10.0, "c", 1000.0),  # no pixel is a hundred times as high as wide
        StatedScale(10.0, "d"),
        StatedScale(10.19, "e"),
        StatedScale(10.21, "f", 20.0),
    ]
    calibration, warnings = agreed_calibration(scales)
    assert calibration is not None and (calibration.nm_per_px, calibration.source) == (10.0, "d")
    assert warnings == ("d states 10 nm per pixel, f states 10.21 x 20; the first is used",)
    assert agreed_calibration([]) == (None, ())
