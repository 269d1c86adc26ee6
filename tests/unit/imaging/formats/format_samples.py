"""Small files of the formats of microscopes, written byte by byte or by the formats' own libraries."""

from __future__ import annotations

import io
import json
import struct
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import tifffile

SHAPE = (24, 40)


def ramp(offset: int = 0) -> np.ndarray:
    """uint16 (24, 40), 100 a row and 7 a column."""
    return (np.add.outer(np.arange(24) * 100, np.arange(40) * 7) + offset).astype(np.uint16)


# Gatan DM3 and DM4: nested groups of named values


def _dm_value(value: object, dm4: bool) -> bytes:
    number = ">Q" if dm4 else ">I"

    def info(*numbers: int) -> bytes:
        return b"%%%%" + b"".join(struct.pack(number, each) for each in (len(numbers), *numbers))

    if isinstance(value, str):
        return info(20, 4, len(value)) + value.encode("utf-16-le")
    if isinstance(value, np.ndarray):
        return info(20, 4, value.size) + value.astype("<u2").tobytes()
    if isinstance(value, float):
        return info(7) + struct.pack("<d", value)
    return info(5) + struct.pack("<I", int(value))  # type: ignore[call-overload]


def _dm_group(content: Mapping[str, object], dm4: bool) -> bytes:
    parts = [b"\0\0" + struct.pack(">Q" if dm4 else ">I", len(content))]
    for name, value in content.items():
        label = b"" if name.isdigit() else name.encode()
        group = isinstance(value, Mapping)
        body = _dm_group(value, dm4) if isinstance(value, Mapping) else _dm_value(value, dm4)
        size = struct.pack(">Q", len(body)) if dm4 else b""
        parts.append(bytes([20 if group else 21]) + struct.pack(">H", len(label)) + label + size + body)
    return b"".join(parts)


def dm(values: np.ndarray, nm_per_px: float = 2.5, unit: str = "nm", *, dm4: bool = False) -> bytes:
    """One image with a scale, 200 kV."""
    axis = {"Origin": 0.0, "Scale": nm_per_px, "Units": unit}
    image = {
        "ImageData": {
            "Calibrations": {
                "Brightness": {"Origin": 0.0, "Scale": 1.0, "Units": "x"},
                "Dimension": {str(at): axis for at in range(values.ndim)},
            },
            "Data": values,
            "DataType": 10,
            "Dimensions": {str(at): size for at, size in enumerate(reversed(values.shape))},
            "PixelDepth": 2,
        },
        "ImageTags": {"Microscope Info": {"Voltage": 200_000.0}},
        "Name": "film",
    }
    body = _dm_group({"DocumentObjectList": {}, "ImageList": {"0": image}}, dm4) + b"\0" * 8
    length = struct.pack(">Q" if dm4 else ">I", len(body))
    return struct.pack(">I", 4 if dm4 else 3) + length + struct.pack(">I", 1) + body


# MRC, SER, NRRD


def mrc(stack: np.ndarray, nm_per_px: float = 0.5) -> bytes:
    """A stack (Z, H, W) of uint16 with square pixels; MRC counts in Å."""
    depth, height, width = stack.shape
    header = bytearray(1024)
    struct.pack_into("<4i", header, 0, width, height, depth, 6)
    struct.pack_into("<3i", header, 28, width, height, depth)
    struct.pack_into("<3f", header, 40, *(size * nm_per_px * 10 for size in (width, height, depth)))
    struct.pack_into("<3f", header, 52, 90, 90, 90)
    struct.pack_into("<3i", header, 64, 1, 2, 3)
    header[208:216] = b"MAP DD\0\0"
    return bytes(header) + stack.astype("<u2").tobytes()


def ser(values: np.ndarray, metres_per_px: float = 3e-9) -> bytes:
    """One image; SER stores its last row first."""
    dimension = struct.pack("<IddIII", 1, 0.0, 1.0, 0, 0, 0)
    head = struct.pack("<3H4I", 0x4949, 0x0197, 0x0210, 0x4122, 0x4152, 1, 1)
    offsets_at = 30 + len(dimension)
    data_at = offsets_at + 8
    calibration = struct.pack("<ddI", 0.0, metres_per_px, 0) * 2
    data = calibration + struct.pack("<HII", 2, values.shape[1], values.shape[0])
    data += values[::-1].astype("<u2").tobytes()
    offsets = struct.pack("<II", data_at, data_at + len(data))
    return head + struct.pack("<II", offsets_at, 1) + dimension + offsets + data + struct.pack("<HHI", 0x4152, 0, 0)


def nrrd(stack: np.ndarray) -> bytes:
    """A stack (Z, H, W), 1.5 µm x 2 µm."""
    depth, height, width = stack.shape
    header = (
        "NRRD0004\ntype: uint16\ndimension: 3\nspace dimension: 3\nendian: little\nencoding: raw\n"
        f"sizes: {width} {height} {depth}\nspace directions: (1.5,0,0) (0,2,0) (0,0,1)\n"
        'space units: "um" "um" "um"\n\n'
    )
    return header.encode() + stack.astype("<u2").tobytes()


# HDF5: EMD of Velox and Berkeley, IMS, HSPY


def velox(stack: np.ndarray, metres_per_px: float = 4e-10) -> bytes:
    """Frames (N, H, W) of one detector, with its metadata as JSON."""
    import h5py

    metadata = {
        "BinaryResult": {
            "PixelSize": {"width": str(metres_per_px), "height": str(metres_per_px)},
            "Offset": {"x": "0", "y": "0"},
            "PixelUnitX": "m",
            "PixelUnitY": "m",
            "DetectorIndex": "0",
            "Detector": "HAADF",
        },
        "Scan": {"FrameTime": "1"},
        "Optics": {"AccelerationVoltage": "300000"},
        "Instrument": {"InstrumentModel": "Themis", "InstrumentId": "0"},
        "Acquisition": {"AcquisitionStartDatetime": {"DateTime": "1700000000"}},
        "Detectors": {"Detector-0": {"DetectorName": "HAADF", "DetectorType": "ScanningDetector"}},
        "Stage": {},
        "CustomProperties": {},
    }
    text = np.zeros((4000, len(stack)), np.uint8)
    encoded = np.frombuffer(json.dumps(metadata).encode(), np.uint8)
    text[: len(encoded)] = encoded[:, None]
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        file["Version"] = np.array([json.dumps({"format": "Velox", "version": "8"}).encode()])
        group = file.create_group("Data/Image/0123456789abcdef")
        frames = np.moveaxis(stack, 0, -1)
        group.create_dataset("Data", data=frames, chunks=(*frames.shape[:2], 1))
        group["Metadata"] = text
        file.create_group("Operations")
    return buffer.getvalue()


def berkeley(stack: np.ndarray) -> bytes:
    """A stack (Z, H, W), 0.75 nm a pixel; its first axis is x."""
    import h5py

    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        file.attrs["version_major"], file.attrs["version_minor"] = 0, 2
        group = file.create_group("data/film")
        group.attrs["emd_group_type"] = 1
        group["data"] = stack.T
        for number, (name, size) in enumerate(zip("xyz", stack.T.shape, strict=True), 1):
            axis = group.create_dataset(f"dim{number}", data=np.arange(size) * 0.75)
            axis.attrs["name"], axis.attrs["units"] = name, "nm"
    return buffer.getvalue()


def imaris(channels: Mapping[str, np.ndarray]) -> bytes:
    """Channels (Z, H, W), 0.5 µm x 1 µm a pixel, padded as Imaris pads them."""
    import h5py

    def letters(text: str) -> np.ndarray:
        return np.array([letter.encode() for letter in text], dtype="S1")

    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        for number, (name, stack) in enumerate(channels.items()):
            padded = np.pad(stack, ((0, 0), (0, 8), (0, 24)))
            file[f"DataSet/ResolutionLevel 0/TimePoint 0/Channel {number}/Data"] = padded
            file.create_group(f"DataSetInfo/Channel {number}").attrs["Name"] = letters(name)
        depth, height, width = stack.shape
        info = file.create_group("DataSetInfo/Image").attrs
        facts = {"X": width, "Y": height, "Z": depth, "ExtMin0": 0, "ExtMin1": 0, "Unit": "um"}
        for key, value in {**facts, "ExtMax0": width * 0.5, "ExtMax1": height * 1.0}.items():
            info[key] = letters(str(value))
    return buffer.getvalue()


def hspy(stack: np.ndarray, unit: str = "nm") -> bytes:
    """A stack (Z, H, W), 6 a pixel in ``unit``."""
    import tempfile

    from rsciio.hspy import file_writer

    axes = [
        {"name": name, "size": size, "scale": 6.0, "offset": 0.0, "units": unit, "navigate": name == "z"}
        for name, size in zip("zyx", stack.shape, strict=True)
    ]
    signal = {
        "data": stack,
        "axes": [{**axis, "_type": "UniformDataAxis", "index_in_array": at} for at, axis in enumerate(axes)],
        "metadata": {"General": {"title": "film"}, "Signal": {"signal_type": ""}},
        "original_metadata": {},
        "learning_results": {},
        "attributes": {"_lazy": False, "ragged": False},
        "tmp_parameters": {},
        "package_info": {"package": "hyperspy", "package_version": "2.5.0"},
        "models": {},
    }
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "film.hspy"
        file_writer(str(path), signal, show_progressbar=False)
        return path.read_bytes()


# CZI, LIF, OIB, OIF


def czi(stack: np.ndarray, metres_per_px: float = 1.25e-8) -> bytes:
    """Channels (C, H, W) named a, b, …"""
    import tempfile

    from pylibCZIrw.czi import create_czi

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "film.czi"
        with create_czi(str(path)) as file:
            for number, values in enumerate(stack):
                file.write(values, plane={"C": number}, scene=0)
            names = {number: chr(ord("a") + number) for number in range(len(stack))}
            file.write_metadata("film", channel_names=names, scale_x=metres_per_px, scale_y=metres_per_px)
        return path.read_bytes()


def lif(stack: np.ndarray, metres_per_px: float = 2e-7) -> bytes:
    """A stack (Z, H, W); Leica states the length between the first and the last pixel."""
    depth, height, width = stack.shape
    sizes = ((1, width, 2), (2, height, 2 * width), (3, depth, 2 * width * height))
    dimensions = "".join(
        f'<DimensionDescription DimID="{number}" NumberOfElements="{size}" Origin="0" '
        f'Length="{(size - 1) * metres_per_px!r}" Unit="m" BitInc="0" BytesInc="{step}"/>'
        for number, size, step in sizes
    )
    xml = (
        '<LMSDataContainerHeader Version="2"><Element Name="film"><Children>'
        '<Element Name="Series1"><Data><Image><ImageDescription><Channels>'
        '<ChannelDescription DataType="0" ChannelTag="0" Resolution="16" NameOfMeasuredQuantity="" Min="0" Max="1" '
        'Unit="" LUTName="Gray" IsLUTInverted="0" BytesInc="0" BitInc="0"/></Channels>'
        f"<Dimensions>{dimensions}</Dimensions></ImageDescription></Image></Data>"
        f'<Memory Size="{stack.nbytes}" MemoryBlockID="MemBlock_1"/></Element></Children></Element>'
        "</LMSDataContainerHeader>"
    )
    name = "MemBlock_1"
    head = struct.pack("<IIBI", 0x70, 2 * len(xml) + 5, 0x2A, len(xml)) + xml.encode("utf-16-le")
    block = struct.pack("<IIBQBI", 0x70, 2 * len(name) + 14, 0x2A, stack.nbytes, 0x2A, len(name))
    return head + block + name.encode("utf-16-le") + stack.astype("<u2").tobytes()


def _oif_text() -> bytes:
    lines = ["[ProfileSaveInfo]", 'Name="film"', 'Version="2.0"']
    for number, (axis, size) in enumerate((("X", 40), ("Y", 24))):
        lines += [f"[Axis {number} Parameters Common]", f'AxisCode="{axis}"', f"MaxSize={size}", 'UnitName="um"']
        lines += ["StartPosition=0.0", f"EndPosition={size * 0.25}"]
    return b"\xff\xfe" + "".join(f"{line}\r\n" for line in lines).encode("utf-16-le")


def _oif_tiffs(channels: np.ndarray) -> dict[str, bytes]:
    files = {}
    for number, values in enumerate(channels, 1):
        buffer = io.BytesIO()
        tifffile.imwrite(buffer, values, photometric="minisblack")
        files[f"s_C{number:03d}.tif"] = buffer.getvalue()
    return files


def write_oif(path: Path, channels: np.ndarray) -> None:
    """An OIF with its folder; 0.25 µm a pixel."""
    path.write_bytes(_oif_text())
    folder = path.with_name(f"{path.name}.files")
    folder.mkdir()
    for name, data in _oif_tiffs(channels).items():
        (folder / name).write_bytes(data)


def oib(channels: np.ndarray) -> bytes:
    """The same in one compound document."""
    tiffs = _oif_tiffs(channels)
    streams = {"film.oif": _oif_text(), **tiffs}
    lines = ["[OibSaveInfo]", 'Name="film.oib"', 'Version="2.0.0.0"', 'MainFileName="Stream00000"']
    lines += [f'Stream{number:05d}="{name}"' for number, name in enumerate(streams)]
    info = b"\xff\xfe" + "".join(f"{line}\r\n" for line in lines).encode("utf-16-le")
    named = {"OibInfo.txt": info, **{f"Stream{n:05d}": data for n, data in enumerate(streams.values())}}
    return _compound({name: data.ljust(4096, b"\0" if b"II*" in data[:4] else b" ") for name, data in named.items()})


def _compound(streams: Mapping[str, bytes]) -> bytes:
    """A compound document (version 3) of streams of at least 4096 bytes, all in the root."""
    free, end, fat_sector, none = 0xFFFFFFFF, 0xFFFFFFFE, 0xFFFFFFFD, 0xFFFFFFFF
    fat: list[int] = [fat_sector]
    sectors: list[bytes] = [b""]  # the FAT itself, filled in at the end
    entries = [_entry("Root Entry", 5, none, 1, end, 0)]

    def add(data: bytes) -> int:
        start, count = len(sectors), -(-len(data) // 512)
        for at in range(count):
            sectors.append(data[at * 512 : (at + 1) * 512].ljust(512, b"\0"))
            fat.append(len(sectors) if at + 1 < count else end)
        return start

    for number, (name, data) in enumerate(streams.items(), 1):
        right = number + 1 if number < len(streams) else none
        entries.append(_entry(name, 2, right, none, add(data), len(data)))
    directory = add(b"".join(entries).ljust(-(-len(entries) // 4) * 512, b"\0"))
    sectors[0] = struct.pack("<128I", *fat, *[free] * (128 - len(fat)))
    head = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + struct.pack(
        "<16sHHHHHHIIIIIIIIII", b"", 0x3E, 3, 0xFFFE, 9, 6, 0, 0, 0, 1, directory, 0, 4096, end, 0, end, 0
    )
    return head + struct.pack("<109I", 0, *[free] * 108) + b"".join(sectors)


def _entry(name: str, kind: int, right: int, child: int, start: int, size: int) -> bytes:
    text = name.encode("utf-16-le")
    none = 0xFFFFFFFF
    return struct.pack(
        "<64sHBBIII16sIQQIQ", text, len(text) + 2, kind, 1, none, right, child, b"", 0, 0, 0, start, size
    )


STACK = np.stack([ramp(), ramp(1000)])
"""(2, 24, 40)."""

SAMPLES: Mapping[str, Callable[[], bytes]] = {
    "film.dm3": lambda: dm(ramp()),
    "film.dm4": lambda: dm(ramp(), dm4=True),
    "stack.dm3": lambda: dm(STACK),
    "film.mrc": lambda: mrc(STACK),
    "film.ser": lambda: ser(ramp()),
    "film.nrrd": lambda: nrrd(STACK),
    "velox.emd": lambda: velox(STACK),
    "berkeley.emd": lambda: berkeley(STACK),
    "film.ims": lambda: imaris({"SE": STACK, "BSE": STACK + 1}),
    "film.hspy": lambda: hspy(STACK),
    "film.czi": lambda: czi(STACK),
    "film.lif": lambda: lif(STACK),
    "film.oib": lambda: oib(STACK),
}
"""A small file of each format that lies in one file, by its name."""
