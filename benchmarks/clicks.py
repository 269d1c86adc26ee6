"""Many experts click at once on one backend: seconds of first and further clicks, its memory, and whether any is wrong.

Run with ``python benchmarks/clicks.py [--experts 50] [--images 16] [--clicks 10] [--pause 2]``. Every expert opens one
image after the other and clicks on its discs, with a pause of 0 to twice ``--pause`` seconds before each click. An
answer is wrong when it is no region on a disc of the expert's own image (IoU below .5): every image has its discs
elsewhere. Exits with 1 when any is wrong, or is a server error.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import cv2
import httpx
import numpy as np

from matcurate.config import load_settings
from matcurate.labelstudio import decode_rle, labelling_config
from matcurate.services.processes import free_port
from matcurate.types import BoolMask
from matcurate.workflows.home import Workspace, initialise, open_workspace
from matcurate.workflows.ingest import ingest_files

SHAPE = (768, 1024)
PROGRAM = "from matcurate.cli.app import main; main()"
XML = labelling_config(["precipitate"], instances=True)


@dataclass(frozen=True)
class Image:
    """A generated micrograph: its content hash, and its discs (x, y, radius)."""

    content_hash: str
    discs: tuple[tuple[int, int, int], ...]


@dataclass(frozen=True)
class Click:
    """One click: the first on its image by this expert or not, its seconds, and what was wrong ("" for nothing)."""

    first: bool
    seconds: float
    wrong: str


def draw(path: Path, rng: np.random.Generator) -> tuple[tuple[int, int, int], ...]:
    """Write a noisy image with discs that do not touch; returns them."""
    picture, taken, discs = np.full(SHAPE, 80.0), np.zeros(SHAPE, np.uint8), []
    for _ in range(200):
        radius = int(rng.integers(18, 50))
        x, y = (int(rng.integers(radius, size - radius)) for size in SHAPE[::-1])
        spot = cv2.circle(np.zeros(SHAPE, np.uint8), (x, y), radius + 8, 1, -1)
        if not (spot & taken).any():
            taken |= spot
            picture[mask_of((x, y, radius))] += rng.integers(50, 110)
            discs.append((x, y, radius))
    blurred = cv2.GaussianBlur(picture, (0, 0), 1) + rng.normal(0, 6, SHAPE)
    cv2.imwrite(str(path), blurred.clip(0, 255).astype(np.uint8))
    return tuple(discs)


def mask_of(disc: tuple[int, int, int]) -> BoolMask:
    """Mask (H, W) of a disc."""
    return cv2.circle(np.zeros(SHAPE, np.uint8), disc[:2], disc[2], 1, -1) > 0


def make_images(workspace: Workspace, folder: Path, count: int) -> list[Image]:
    """Ingest generated micrographs."""
    images = []
    for number in range(count):
        path = folder / f"discs-{number}.png"
        discs = draw(path, np.random.default_rng(number))
        (record,) = ingest_files(workspace, [path]).added
        images.append(Image(record.content_hash, discs))
    return images


@contextmanager
def backend(home: Path) -> Iterator[tuple[str, int]]:
    """A backend as a process of its own: its address and its process number."""
    port = free_port()
    command = [sys.executable, "-c", PROGRAM, "--home", str(home), "serve", "--port", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    try:
        for _ in range(240):
            try:
                httpx.get(f"{url}/health", timeout=1).raise_for_status()
                break
            except httpx.HTTPError:
                time.sleep(0.5)
        yield url, process.pid
    finally:
        process.terminate()
        process.wait()


def click(url: str, image: Image, disc: tuple[int, int, int], points: list[tuple[float, float]]) -> tuple[float, str]:
    """Put the points so far to the backend; seconds, and what was wrong with the answer."""
    height, width = SHAPE
    items = [
        {
            "original_width": width, "original_height": height, "image_rotation": 0, "is_positive": True,
            "value": {"x": 100 * x / width, "y": 100 * y / height, "keypointlabels": ["precipitate"]},
            "id": f"p{number}", "from_name": "smart_point", "to_name": "image", "type": "keypointlabels",
        }
        for number, (x, y) in enumerate(points)
    ]  # fmt: skip
    task = {"id": 1, "data": {"micrograph": image.content_hash, "image": "/x"}}
    body = {"tasks": [task], "label_config": XML, "params": {"context": {"result": items}}}
    begun = time.perf_counter()
    response = httpx.post(f"{url}/predict", json=body, timeout=100)
    seconds = time.perf_counter() - begun
    if response.status_code != 200:
        return seconds, f"HTTP {response.status_code}"
    regions = response.json()["results"][0]["result"]
    if not regions:
        return seconds, "no region"
    mask, truth = decode_rle(regions[0]["value"]["rle"], SHAPE), mask_of(disc)
    overlap = (mask & truth).sum() / (mask | truth).sum()
    return seconds, "" if overlap >= 0.5 else f"another object (IoU {overlap:.2f})"


def work(url: str, images: list[Image], number: int, clicks: int, pause: float) -> list[Click]:
    """What one expert does: discs of two images, two clicks on each disc."""
    rng, done = random.Random(number), []
    for image in rng.sample(images, 2):
        for turn in range(clicks // 4):
            disc = rng.choice(image.discs)
            points: list[tuple[float, float]] = []
            for again in range(2):
                time.sleep(rng.uniform(0, 2 * pause))
                points.append((disc[0] + 0.5 + again * disc[2] / 3, disc[1] + 0.5))
                done.append(Click(turn == 0 and again == 0, *click(url, image, disc, points)))
    return done


def megabytes(pid: int, name: str) -> int:
    """A line of a process's status, as VmRSS or VmHWM."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) // 1024 for line in lines if line.startswith(name))


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--experts", type=int, default=50)
    parser.add_argument("--images", type=int, default=16)
    parser.add_argument("--clicks", type=int, default=12, help="Of each expert, a multiple of 4.")
    parser.add_argument("--pause", type=float, default=2.0, help="Mean seconds before a click.")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        initialise(load_settings(Path(folder) / "home"), "clicks", ("precipitate",), "phases")
        workspace = open_workspace(load_settings(Path(folder) / "home"))
        images = make_images(workspace, Path(folder), given.images)
        with backend(workspace.settings.home) as (url, pid), ThreadPoolExecutor(given.experts) as pool:
            before = megabytes(pid, "VmRSS")
            jobs = [pool.submit(work, url, images, k, given.clicks, given.pause) for k in range(given.experts)]
            clicks = [one for job in jobs for one in job.result()]
            peak = megabytes(pid, "VmHWM")
    first = np.array([one.seconds for one in clicks if one.first])
    further = np.array([one.seconds for one in clicks if not one.first])
    wrong = [one.wrong for one in clicks if one.wrong]
    print(f"{given.experts} experts, {given.images} images of {SHAPE[1]} x {SHAPE[0]}, {len(clicks)} clicks")
    for name, values in (("first click on an image", first), ("further clicks", further)):
        middle, high, most = np.percentile(values, [50, 95, 100])
        print(f"{name}: median {middle:.2f} s, p95 {high:.2f} s, longest {most:.2f} s")
    print(f"memory of the backend: {before} MB before, peak {peak} MB")
    print(f"wrong: {len(wrong)} {sorted(set(wrong))[:5]}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
