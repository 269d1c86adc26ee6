"""Seconds to suppress many masks of one image, and the ratio to a plain reference on full masks, in one run.

python benchmarks/suppress.py [--masks 3000] [--size 1024] [--plain 300]

The reference compares full masks with each other. It and the ratio are timed on the first `--plain` masks only, where
both must give the same result.
"""

import argparse
import time
from collections.abc import Callable

import numpy as np
from skimage.draw import ellipse

from matcurate.segmentation.matsam.suppress import STEPS, soft_suppress, suppress
from matcurate.types import Candidate

RADII = ((6, 25), (20, 60), (50, 200))
OVERLAP, SIGMA, FLOOR = 0.3, 0.5, 0.05


def masks(count: int, size: int, radii: tuple[float, float], rng: np.random.Generator) -> list[Candidate]:
    """Random ellipses, cut at the edge of a square image."""
    found: list[Candidate] = []
    while len(found) < count:
        (row, column), (high, wide) = rng.uniform(0, size, 2), rng.uniform(*radii, 2)
        rows, columns = ellipse(row, column, high, wide, (size, size), rotation=rng.uniform(0, np.pi))
        if len(rows):
            top, left = int(rows.min()), int(columns.min())
            mask = np.zeros((int(rows.max()) - top + 1, int(columns.max()) - left + 1), dtype=bool)
            mask[rows - top, columns - left] = True
            found.append(Candidate(top, left, mask, float(rng.uniform())))
    return found


def plain(candidates: list[Candidate], size: int, soft: bool) -> list[float]:
    """Qualities that stay, every pair of full masks laid on each other."""
    key = (lambda c: -c.quality) if soft else (lambda c: (-round(c.quality * STEPS), -c.area, c.top, c.left))
    ranked = sorted(candidates, key=key)
    left = [(c.quality, number, c.paint((size, size))) for number, c in enumerate(ranked)]
    taken = []
    while left:
        best = max(left, key=lambda each: each[:2]) if soft else left[0]
        taken.append(best[0])
        rest = []
        for quality, number, mask in left:
            if number != best[1]:
                iou = np.count_nonzero(mask & best[2]) / np.count_nonzero(mask | best[2])
                lower = quality * np.exp(-(iou**2) / SIGMA)
                if soft and lower >= FLOOR:
                    rest.append((lower, number, mask))
                elif not soft and iou <= OVERLAP:
                    rest.append((quality, number, mask))
        left = rest
    return taken


def seconds(work: Callable[[], object]) -> float:
    """CPU seconds of one call, on which other work of the machine does not count."""
    start = time.process_time()
    work()
    return time.process_time() - start


def main() -> None:
    """Print one row for each size of masks and each way."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--masks", type=int, default=3000)
    parser.add_argument("--size", type=int, default=1024)
    parser.add_argument("--plain", type=int, default=300)
    arguments = parser.parse_args()
    print("| radii | suppression | masks | kept | CPU s | plain / ours |", "|---|---|---:|---:|---:|---:|", sep="\n")
    for radii in RADII:
        many = masks(arguments.masks, arguments.size, radii, np.random.default_rng(0))
        few = [c for c in many[: arguments.plain] if c.quality >= FLOOR]
        for name, ours in (
            ("hard", lambda given: suppress(given, OVERLAP)),
            ("soft", lambda given: soft_suppress(given, sigma=SIGMA, floor=FLOOR)),
        ):
            kept = len(ours(many))
            expected = plain(few, arguments.size, name == "soft")
            if not np.allclose([c.quality for c in ours(few)], expected):
                raise SystemExit(f"{name}, {radii}: not the plain result")
            ratio = seconds(lambda: plain(few, arguments.size, name == "soft")) / seconds(lambda: ours(few))  # noqa: B023
            spent = seconds(lambda: ours(many))  # noqa: B023
            print(
                f"| {radii[0]} to {radii[1]} | {name} | {len(many)} | {kept} | {spent:.2f} | {ratio:.0f} |", flush=True
            )


if __name__ == "__main__":
    main()
