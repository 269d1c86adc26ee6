"""Read mutated files of every format: no crash, no hang, no memory over the limit, one line for each that is refused.

    python tests/faults/mutated_files.py --count 2000 --seed 0

Each file is truncated, has bytes changed, or has a number in its header set to an extreme, and is read in a process of
its own. Prints a table and one line for each fault; exits with 1 when there is any.
"""

from __future__ import annotations

import argparse
import io
import os
import resource
import selectors
import signal
import struct
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tifffile
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[1] / "unit" / "imaging" / "formats"))
from format_samples import SAMPLES, ramp

from matcurate.errors import UnreadableImageError
from matcurate.imaging.read import opened_image

SECONDS, GIBIBYTES = 10.0, 2.0
HARD_LIMIT = 6 << 30
"""Address space of a process, so that a fault does not take the machine with it."""
EXTREMES = (0, 1, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, 0xFFFFFFFF)


@dataclass(frozen=True)
class Outcome:
    """How a file was read: ``kind`` is read, refused or the name of a fault."""

    name: str
    kind: str
    message: str
    seconds: float
    gibibytes: float


def originals() -> Mapping[str, bytes]:
    """A sound file of each kind."""
    grey = (ramp() // 16).astype(np.uint8)
    files = {name: make() for name, make in SAMPLES.items()}
    for kind, suffix in (("PNG", "png"), ("JPEG", "jpg"), ("BMP", "bmp")):
        buffer = io.BytesIO()
        Image.fromarray(grey).save(buffer, kind)
        files[f"grey.{suffix}"] = buffer.getvalue()
    fei = "[User]\r\nUser=lab\r\n[Scan]\r\nPixelWidth=5.5e-09\r\n[Image]\r\nResolutionY=20\r\n"
    zeiss = "\r\n".join([*"000", "5e-09", *"000", "AP_IMAGE_PIXEL_SIZE", "Image Pixel Size = 12.5 nm", ""])
    options: dict[str, dict[str, object]] = {
        "plain": {},
        "lzw": {"compression": "lzw"},
        "tiles": {"tile": (16, 16), "compression": "zlib"},
        "big": {"bigtiff": True, "byteorder": ">"},
        "fei": {"extratags": [(34682, "s", 0, fei, True)]},
        "zeiss": {"extratags": [(34118, "s", 0, zeiss, True)]},
        "imagej": {"imagej": True, "resolution": (4.0, 4.0), "metadata": {"unit": "um"}},
        "ome": {"ome": True, "metadata": {"axes": "YX", "PhysicalSizeX": 0.5, "PhysicalSizeY": 0.5}},
    }
    for name, chosen in options.items():
        buffer = io.BytesIO()
        tifffile.imwrite(buffer, ramp(), photometric="minisblack", **chosen)
        files[f"{name}.tif"] = buffer.getvalue()
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, np.dstack([grey] * 3), photometric="rgb", compression="jpeg")
    files["jpeg.tif"] = buffer.getvalue()
    return files


def mutated(data: bytes, rng: np.random.Generator) -> tuple[str, bytes]:
    """One mutation and its kind."""
    kind = ("truncated", "bytes", "field")[int(rng.integers(3))]
    if kind == "truncated":
        return kind, data[: int(rng.integers(1, len(data)))]
    broken = bytearray(data)
    if kind == "bytes":
        for at in rng.integers(0, len(data), int(rng.integers(1, 9))):
            broken[int(at)] ^= int(rng.integers(1, 256))
        return kind, bytes(broken)
    size, order = int(rng.choice([1, 2, 4])), str(rng.choice(["<", ">"]))
    header = min(len(data) - 4, 4096)
    at, value = int(rng.integers(0, header)), int(rng.choice(EXTREMES)) & ((1 << 8 * size) - 1)
    struct.pack_into(order + {1: "B", 2: "H", 4: "I"}[size], broken, at, value)
    return kind, bytes(broken)


def cases(count: int, seed: int) -> Iterator[tuple[str, bytes]]:
    """Mutations of all files in turn; the name says which one of which file it is."""
    rng, files = np.random.default_rng(seed), originals()
    names = list(files)
    for number in range(count):
        name = names[number % len(names)]
        kind, data = mutated(files[name], rng)
        yield f"{number:05d}-{kind}-{name}", data


def read_everything(path: Path) -> tuple[str, str]:
    """Read all pages as the program does: ("read" or "refused", messages)."""
    problems: list[str] = []
    try:
        with opened_image(path) as image:
            pages = sum(1 for _ in image.readable(problems))
    except UnreadableImageError as error:
        return "refused", str(error)
    return ("read" if pages and not problems else "refused"), "\n".join(problems[:1])


def child(path: Path, report: int) -> None:
    """Read ``path`` and write kind and message to the pipe ``report``; never returns."""
    noise = os.open(path.with_suffix(".noise"), os.O_CREAT | os.O_RDWR)
    os.dup2(noise, 1)
    os.dup2(noise, 2)
    resource.setrlimit(resource.RLIMIT_AS, (HARD_LIMIT, HARD_LIMIT))
    try:
        kind, message = read_everything(path)
    except BaseException:  # noqa: BLE001 - whatever comes out is the fault that is looked for
        kind, message = "traceback", traceback.format_exc()
    sys.stderr.flush()
    if kind in ("read", "refused") and os.fstat(noise).st_size:
        kind, message = "noise", os.pread(noise, 400, 0).decode(errors="replace")
    elif kind == "refused" and len(message.splitlines()) != 1:
        kind = "lines"
    os.write(report, f"{kind}\0{message}".encode()[:60_000])
    os._exit(0)


def read_apart(name: str, data: bytes, folder: Path) -> Outcome:
    """Read ``data`` in a process of its own."""
    path = folder / name
    path.write_bytes(data)
    reading, writing = os.pipe()
    start = time.monotonic()
    process = os.fork()
    if process == 0:
        child(path, writing)
    os.close(writing)
    with selectors.DefaultSelector() as selector, open(reading, "rb") as pipe:
        selector.register(pipe, selectors.EVENT_READ)
        text = pipe.read() if selector.select(SECONDS) else b""
        in_time = bool(text) or time.monotonic() - start < SECONDS
    if not in_time:
        os.kill(process, signal.SIGKILL)
    _, status, usage = os.wait4(process, 0)
    seconds, memory = time.monotonic() - start, usage.ru_maxrss / (1 << 20)
    kind, _, message = text.decode(errors="replace").partition("\0")
    if not in_time:
        kind = "hang"
    elif not text or status:
        kind, message = "crash", f"status {status}"
    elif memory > GIBIBYTES:
        kind = "memory"
    return Outcome(name, kind, message, seconds, memory)


def main() -> int:
    """Read the mutated files and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, help="folder for the files that are faults")
    arguments = parser.parse_args()
    for name, data in originals().items():  # imports every reader once, before the processes are forked
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / name
            path.write_bytes(data)
            kind, message = read_everything(path)
            if kind != "read":
                raise SystemExit(f"{name}: a sound file is {kind}: {message}")
    table: Counter[tuple[str, str]] = Counter()
    slowest, largest, faults = 0.0, 0.0, 0
    with tempfile.TemporaryDirectory() as folder:
        for name, data in cases(arguments.count, arguments.seed):
            outcome = read_apart(name, data, Path(folder))
            table[name.partition("-")[2].partition("-")[2], outcome.kind] += 1
            slowest, largest = max(slowest, outcome.seconds), max(largest, outcome.gibibytes)
            if outcome.kind not in ("read", "refused"):
                faults += 1
                print(f"{outcome.kind} {name}: {outcome.message.strip()[-700:]}", flush=True)
                if arguments.keep:
                    arguments.keep.mkdir(parents=True, exist_ok=True)
                    (arguments.keep / name).write_bytes(data)
            for made in Path(folder).glob(f"{Path(name).stem}*"):
                made.unlink()
    kinds = sorted({kind for _, kind in table})
    print("| file |", " | ".join(kinds), "|")
    for name in sorted({name for name, _ in table}):
        print(f"| {name} |", " | ".join(str(table[name, kind]) for kind in kinds), "|")
    print(f"{arguments.count} files, {faults} faults, slowest {slowest:.1f} s, most memory {largest:.2f} GiB")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
