"""Scales and recordings as the vendors write them, in small files of our own."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from matcurate.imaging.metadata import Acquisition
from matcurate.imaging.micrograph import Micrograph
from matcurate.imaging.read import decode_micrograph, read_micrograph
from matcurate.types import Calibration

HEIGHT, WIDTH = 12, 20


def tiff(*, height: int = HEIGHT, width: int = WIDTH, **options: object) -> bytes:
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, np.zeros((height, width), np.uint8), **options)
    return buffer.getvalue()


def tagged(code: int, text: str | bytes, **options: object) -> Micrograph:
    kind = "s" if isinstance(text, str) else 7
    count = 0 if isinstance(text, str) else len(text)
    return decode_micrograph(tiff(extratags=[(code, kind, count, text, True)], **options), "x.tif")  # type: ignore[arg-type]


def edges(calibration: Calibration | None) -> tuple[float, float] | None:
    return None if calibration is None else (round(calibration.nm_per_px, 6), round(calibration.nm_per_px_y, 6))


def zeiss(header: str, *fields: str, width: int = WIDTH) -> Micrograph:
    lines = ["0", "0", "0", header, "0", *(line for field in fields for line in field.split("|")), ""]
    return tagged(34118, "\r\n".join(lines).encode("latin-1"), width=width)


def test_zeiss_header_is_of_a_screen_of_1024() -> None:
    page = zeiss("5e-09", "AP_PIXEL_SIZE|Pixel Size = 5.000 nm", "AP_WIDTH|Width = 5.120 µm", width=512)
    assert edges(page.calibration) == (10.0, 10.0) and page.warnings == ()
    assert page.calibration is not None and page.calibration.source == "Zeiss CZ_SEM header x 1024 / width"


@pytest.mark.parametrize(
    ("field", "nm"),
    [
        ("AP_IMAGE_PIXEL_SIZE|Image Pixel Size = 2.615 ?m", 2615.0),
        ("AP_IMAGE_PIXEL_SIZE|Image Pixel Size = 2.615 µm", 2615.0),
        ("AP_IMAGE_PIXEL_SIZE|Image Pixel Size = 2,615 µm", 2615.0),
        ("AP_IMAGE_PIXEL_SIZE|Image Pixel Size = 261.5 pm", 0.2615),
        ("AP_WIDTH|Width = 4.0 mm", 200_000.0),
        ("AP_PIXEL_SIZE|Pixel Size = 5.0 nm", 256.0),
        ("AP_PIXEL_SIZE|Pixel Size = 5.0 furlong", None),
        ("AP_PIXEL_SIZE|Pixel Size = none", None),
    ],
)
def test_zeiss_fields_where_the_header_is_empty(field: str, nm: float | None) -> None:
    assert edges(zeiss("0", field).calibration) == (None if nm is None else (nm, nm))


def test_a_zeiss_file_that_contradicts_itself_says_so() -> None:
    page = zeiss("2.5e-08", "AP_IMAGE_PIXEL_SIZE|Image Pixel Size = 30.0 nm", width=1024)
    assert edges(page.calibration) == (25.0, 25.0)
    assert page.warnings == (
        "Zeiss CZ_SEM header x 1024 / width states 25 nm per pixel, Zeiss AP_IMAGE_PIXEL_SIZE states 30; "
        "the first is used",
    )


def test_zeiss_recording() -> None:
    page = zeiss(
        "0",
        "DP_DETECTOR_TYPE|Detector = InLens",
        "DP_SEM|Sem = Merlin",
        "AP_MAG|Mag = 50.00 K X",
        "AP_WD|WD = 3.9 mm",
        "AP_ACTUALKV|EHT = 5.00 kV",
        "AP_DATE|Date :25 Sep 2018",
        "AP_TIME|Time :8:20:42",
    )
    assert page.acquisition == Acquisition("Merlin", "InLens", 5.0, 50_000.0, 3.9, "2018-09-25T08:20:42")


FEI = {
    "User": "Date=06/13/2016|Time=05:06:40 PM",
    "Beam": "Beam=IBeam",
    "IBeam": "HV=30000|WD=0.0165|HFW=0.0002",
    "EBeam": "HV=5000|WD=0.004",
    "Detectors": "Name=ETD",
    "System": "SystemType=Helios",
    "Image": "ResolutionX=20|ResolutionY=10",
}


def fei(**sections: str) -> Micrograph:
    text = "".join(f"[{name}]\r\n{body.replace('|', chr(13) + chr(10))}\r\n" for name, body in sections.items())
    return tagged(34682, text)


def test_fei_pixels_that_are_not_square_and_the_beam_that_was_used() -> None:
    page = fei(**FEI, Scan="PixelWidth=3.3724e-06|PixelHeight=5.4777e-06")
    assert edges(page.calibration) == (3372.4, 5477.7)
    assert page.calibration is not None and page.calibration.source == "FEI Scan.PixelWidth"
    assert page.acquisition == Acquisition("Helios", "ETD", 30.0, None, 16.5, "2016-06-13T17:06:40", 10)


def test_fei_navigation_camera_has_its_field_of_view_only() -> None:
    page = fei(**FEI)
    assert edges(page.calibration) == (10_000.0, 10_000.0)
    assert page.calibration is not None and page.calibration.source == "FEI IBeam.HFW / Image.ResolutionX"


def test_a_date_that_can_be_read_two_ways_is_not_stated() -> None:
    assert fei(**{**FEI, "User": "Date=06/07/2016|Time=05:06:40 PM"}).acquisition.acquired_at is None
    assert fei(**{**FEI, "User": "Date=07/07/2016|Time=15:06:40"}).acquisition.acquired_at == "2016-07-07T15:06:40"


def fei_xml(unit: str, rows: int = 8) -> str:
    return (
        "<Metadata><Instrument><InstrumentClass>Helios G4</InstrumentClass></Instrument>"
        "<Optics><AccelerationVoltage>30000</AccelerationVoltage></Optics><BinaryResult>"
        f"<ImageSize><X>{WIDTH}</X><Y>{rows}</Y></ImageSize>"
        f'<PixelSize><X unit="{unit}">9.765625E-08</X><Y unit="{unit}">9.765625E-08</Y></PixelSize>'
        "</BinaryResult></Metadata>"
    )


def test_thermo_xml_alone() -> None:
    page = tagged(34683, fei_xml("m"))
    assert edges(page.calibration) == (97.65625, 97.65625)
    assert page.acquisition == Acquisition("Helios G4", voltage_kv=30.0, image_rows=8)
    assert tagged(34683, fei_xml("1/m")).calibration is None
    assert tagged(34683, "<!DOCTYPE a [<!ENTITY b 'c'>]>" + fei_xml("m")).calibration is None


def beside(tmp_path: Path, name: str, text: str, encoding: str = "utf-8") -> Micrograph:
    (tmp_path / "a.tif").write_bytes(tiff())
    (tmp_path / name).write_bytes(text.encode(encoding))
    return read_micrograph(tmp_path / "a.tif")


HITACHI = (
    "[SemImageFile]\r\nInstructName=SU8000\r\nPixelSize=1.984375\r\nMagnification=50000\r\nDataSize=20x10\r\n"
    "AcceleratingVoltage=5000 Volt\r\nWorkingDistance=8000 um\r\nSignalName=SE(U)\r\n"
    "Date=2020/02/03\r\nTime=04:05:06\r\n"
)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8", "utf-8-sig", "latin-1"])
def test_hitachi_text_beside_the_image(tmp_path: Path, encoding: str) -> None:
    page = beside(tmp_path, "a.txt", HITACHI, encoding)
    assert edges(page.calibration) == (1.984375, 1.984375)
    assert page.acquisition == Acquisition("SU8000", "SE(U)", 5.0, 50_000.0, 8.0, "2020-02-03T04:05:06", 10)


JEOL = (
    "$CM_FULL_SIZE 20 9\r\n$CM_MAG 10000\r\n$CM_ACCEL_VOLT 15.0\r\n$CM_INSTRUMENT JSM-7001F\r\n$CM_DATE 2020/02/03\r\n"
    "$CM_TIME 04:05:06\r\n$$SM_MICRON_BAR 80\r\n$$SM_MICRON_MARKER 1um\r\n$$SM_WD 10.0\r\n$CM_SIGNAL SEI\r\n"
)


def test_jeol_text_beside_the_image_of_any_format(tmp_path: Path) -> None:
    page = beside(tmp_path, "a.txt", JEOL)
    assert edges(page.calibration) == (12.5, 12.5)
    expected = Acquisition("JSM-7001F", "SEI", 15.0, 10_000.0, 10.0, "2020-02-03T04:05:06", 9)
    assert page.acquisition == expected
    Image.fromarray(np.zeros((HEIGHT, WIDTH), np.uint8)).save(tmp_path / "a.bmp")
    assert read_micrograph(tmp_path / "a.bmp").acquisition == expected


@pytest.mark.parametrize(("mode", "nm"), [("MAG", 10.0), ("DIFF", None)])
def test_jeol_tem_xml(mode: str, nm: float | None) -> None:
    xml = (
        "<TemReporter><Eos><EosMode>eosTEM</EosMode></Eos><ImageFormingSystem>"
        f"<ModeString>{mode}</ModeString><SelectorValue>1000</SelectorValue></ImageFormingSystem>"
        "<ElectronGun><AccelerationVoltage>200000</AccelerationVoltage></ElectronGun></TemReporter>"
    )
    make = [(271, "s", 0, "JEOL Ltd.", True)]
    data = tiff(description=xml, metadata=None, extratags=make, resolution=(1000, 1000), resolutionunit="CENTIMETER")
    page = decode_micrograph(data, "x.tif")
    assert edges(page.calibration) == (None if nm is None else (nm, nm))
    assert page.acquisition.voltage_kv == 200.0


TESCAN = (
    "[MAIN]\nDevice=MIRA3\nPixelSizeX=2e-08\nPixelSizeY=3e-08\nMagnification=5000\nImageStripSize=2\n"
    "Date=2020-02-03\nTime=04:05:06\n[SEM]\nHV=20000.0\nWD=0.015\nDetector=SE\n"
)


def test_tescan_header_beside_the_image_and_in_the_tag(tmp_path: Path) -> None:
    expected = Acquisition("MIRA3", "SE", 20.0, 5000.0, 15.0, "2020-02-03T04:05:06", HEIGHT - 2)
    for name in ("a.hdr", "a-tif.hdr"):
        page = beside(tmp_path, name, TESCAN)
        assert edges(page.calibration) == (20.0, 30.0) and page.acquisition == expected
        (tmp_path / name).unlink()
    page = tagged(50431, b"\x01\x00\x80\xff" * 8 + TESCAN.encode())
    assert edges(page.calibration) == (20.0, 30.0) and page.acquisition == expected


@pytest.mark.parametrize(("unit", "nm"), [("nm", 2.5), ("µm", 2500.0), ("1/nm", None)])
def test_gatan_tags(unit: str, nm: float | None) -> None:
    text = unit.encode("latin-1") + b"\0\0\0"
    tags = [(code, 2, len(text), text, True) for code in (65003, 65004)]
    tags += [(code, "d", 1, 2.5, True) for code in (65009, 65010)]
    page = decode_micrograph(tiff(extratags=tags), "x.tif")
    assert edges(page.calibration) == (None if nm is None else (nm, nm))


def test_two_vendors_that_disagree_are_both_named() -> None:
    fields = [(34682, "s", 0, "[Scan]\r\nPixelWidth=5e-09\r\nPixelHeight=5e-09\r\n", True)]
    page = decode_micrograph(tiff(extratags=fields, resolution=(1e6, 1e6), resolutionunit="CENTIMETER"), "x.tif")
    assert edges(page.calibration) == (5.0, 5.0)
    assert page.warnings == ("FEI Scan.PixelWidth states 5 nm per pixel, resolution tags states 10; the first is used",)


def test_damaged_metadata_hide_no_pixel() -> None:
    page = tagged(34682, "[Scan]\r\nPixelWidth=wide\r\n[Image]\r\nResolutionY=-3\r\n[EBeam]\r\nHV=\r\n")
    assert (page.shape, page.calibration, page.acquisition) == ((HEIGHT, WIDTH), None, Acquisition())


def sis(height: int, width: int) -> bytes:
    """A TIFF with the structure that Olympus SIS points to: 0.4 µm x 0.5 µm, camera."""
    data = bytearray(tiff(extratags=[(33560, "I", 1, 0, True)], height=height, width=width))
    at = data.find(struct.pack("<HHI", 33560, 4, 1))
    start = len(data)
    body = struct.pack("<4s6xhhhhh6x32sH", b"SIS0", 5, 4, 3, 1, 120, b"film", 1)
    body += struct.pack("<hhI", 1, 1, start + len(body) + 8)
    body += struct.pack("<10xhdd8xd2x34s32s", -9, 400.0, 500.0, 50.0, b"UC30", b"x")
    struct.pack_into("<I", data, at + 8, start)
    return bytes(data + body)


def test_olympus_sis() -> None:
    page = decode_micrograph(sis(HEIGHT, WIDTH), "x.tif")
    assert edges(page.calibration) == (400.0, 500.0)
    assert page.acquisition == Acquisition(detector="UC30", magnification=50.0, acquired_at="2020-02-03T04:05:00")


def ome(*images: tuple[str, str, str]) -> bytes:
    elements = "".join(
        f'<Image ID="Image:{at}" Name="{name}"><Pixels DimensionOrder="XYCZT" SizeC="1" SizeZ="1" SizeT="1" '
        f'PhysicalSizeX="{size}" PhysicalSizeXUnit="{unit}" PhysicalSizeY="{size}" PhysicalSizeYUnit="{unit}">'
        f'<TiffData IFD="{at}" PlaneCount="1"/></Pixels></Image>'
        for at, (name, size, unit) in enumerate(images)
    )
    text = f'<?xml version="1.0"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06">{elements}</OME>'
    buffer = io.BytesIO()
    with tifffile.TiffWriter(buffer) as writer:
        for at in range(len(images)):
            writer.write(
                np.full((HEIGHT, WIDTH), at, np.uint8),
                description=text.encode() if at == 0 else None,
                metadata=None,
                resolution=(1e4, 1e4),
                resolutionunit="CENTIMETER",
            )
    return buffer.getvalue()


def test_each_image_of_an_ome_file_has_its_own_scale() -> None:
    data = ome(("overview", "1.0", "µm"), ("detail", "50", "nm"))
    for page, (name, nm) in enumerate((("overview", 1000.0), ("detail", 50.0))):
        micrograph = decode_micrograph(data, "x.ome.tif", page)
        assert (micrograph.page_name, edges(micrograph.calibration)) == (name, (nm, nm))
        assert micrograph.pixels[0, 0] == page


def test_ome_in_pixels_states_no_scale_whatever_the_resolution_tags() -> None:
    assert decode_micrograph(ome(("a", "1.0", "pixel")), "x.ome.tif").calibration is None


def test_slices_of_imagej_keep_their_labels() -> None:
    buffer = io.BytesIO()
    stack = np.zeros((2, HEIGHT, WIDTH), np.uint8)
    tifffile.imwrite(buffer, stack, imagej=True, metadata={"axes": "ZYX", "Labels": ["first", "second"]})
    assert [decode_micrograph(buffer.getvalue(), "x", page).page_name for page in (0, 1)] == ["first", "second"]
