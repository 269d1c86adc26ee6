"""Pixel sizes from TIFF tags, by hand."""

import io

import numpy as np
import pytest
import tifffile

from matcurate.imaging.calibration import nm_per_unit, tiff_calibration
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


def test_pixels_that_are_not_square_state_no_single_size() -> None:
    assert nm_per_px(resolution=(1e6, 1.005e6), resolutionunit="centimeter") == pytest.approx(10.0)
    assert nm_per_px(resolution=(1e6, 1.05e6), resolutionunit="centimeter") is None


@pytest.mark.parametrize(
    ("unit", "per_unit", "nm"),
    [("nm", 0.5, 2.0), ("um", 4.0, 250.0), ("\\u00B5m", 4.0, 250.0), ("micron", 4.0, 250.0), ("mm", 100.0, 1e4)],
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
        ('PhysicalSizeX="3" PhysicalSizeXUnit="nm" PhysicalSizeY="4" PhysicalSizeYUnit="nm"', None),
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
    no_scan = [(34682, "s", 0, "[User]\r\nUser=lab\r\n", True)]
    assert nm_per_px(extratags=no_scan) is None


class Stub:
    """What :class:`tifffile.TiffFile` knows about a file, without writing a vendor's binary tag."""

    fei_metadata = ome_metadata = imagej_metadata = None
    is_imagej = False
    tags: dict[str, object] = {}  # noqa: RUF012

    def __init__(self, sem_metadata: dict[str, object]) -> None:
        self.sem_metadata = sem_metadata


@pytest.mark.parametrize(
    ("metadata", "nm"),
    [
        ({"ap_image_pixel_size": ("Image Pixel Size", 12.5, "nm")}, 12.5),
        ({"ap_pixel_size": ("Pixel Size", 0.5, "µm")}, 500.0),
        ({"ap_pixel_size": ("Pixel Size", 7, "pm"), "ap_image_pixel_size": ("Image", 12.5, "nm")}, 12.5),
        ({"ap_pixel_size": ("Pixel Size", "none", "nm")}, None),
        ({"ap_pixel_size": ("Pixel Size", 0.5, "furlong")}, None),
    ],
)
def test_zeiss_pixel_size(metadata: dict[str, object], nm: float | None) -> None:
    stub = Stub(metadata)
    got = tiff_calibration(stub, stub)  # type: ignore[arg-type]
    assert (None if got is None else got.nm_per_px) == (None if nm is None else pytest.approx(nm))


def test_zeiss_tag_of_a_real_file_layout() -> None:
    text = "\r\n".join(["0"] * 4 + ["AP_IMAGE_PIXEL_SIZE", "Image Pixel Size = 12.5 nm", ""])
    assert nm_per_px(extratags=[(34118, "s", 0, text, True)]) == pytest.approx(12.5)


def test_units_as_people_write_them() -> None:
    spellings = {"µm": 1e3, "μm": 1e3, " UM ": 1e3, "Å": 0.1, "Ångström": 0.1, "nm": 1.0, "parsec": None}
    assert {unit: nm_per_unit(unit) for unit in spellings} == spellings
