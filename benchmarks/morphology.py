"""Print the tables of docs/methods/morphology.md, and draw its picture.

python benchmarks/morphology.py [--plot docs/images/morphology.png]
"""

import argparse
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from scipy.spatial import cKDTree
from skimage.measure import perimeter, perimeter_crofton, regionprops_table

from matcurate.imaging.synth.registry import generate
from matcurate.morphology import (
    Unit,
    compact_ids,
    draw_morphology,
    intercept_grain_size,
    measure_image,
    measure_objects,
    measure_phases,
    number_from_density,
    number_from_intercept,
    planimetric_grain_size,
    size_distribution,
)
from matcurate.types import BoolMask, Calibration, LabelMap

SHAPE = (384, 512)
SCALES = (8, 20, 60)
UM = Unit.of(Calibration(1000.0))
Shape = tuple[str, float, float, float, BoolMask]


def shapes(radius: float, rng: np.random.Generator, count: int = 20) -> Iterator[Shape]:
    """Name, perimeter, largest and smallest Feret diameter, and mask, of shapes placed and turned at random."""
    edge = int(4 * radius + 16)
    rows, columns = np.mgrid[:edge, :edge]
    for _ in range(count):
        y, x = rows - edge / 2 - rng.uniform(-0.5, 0.5), columns - edge / 2 - rng.uniform(-0.5, 0.5)
        angle = rng.uniform(0, np.pi)
        u, v = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
        yield "disc", 2 * np.pi * radius, 2 * radius, 2 * radius, u**2 + v**2 <= radius**2
        a, b = 1.6 * radius, 0.8 * radius
        h = ((a - b) / (a + b)) ** 2
        around = np.pi * (a + b) * (1 + 3 * h / (10 + np.sqrt(4 - 3 * h)))
        yield "ellipse 2 : 1", around, 2 * a, 2 * b, (u / a) ** 2 + (v / b) ** 2 <= 1
        diagonal = np.sqrt(8) * radius
        yield "square, turned", 8 * radius, diagonal, 2 * radius, (abs(u) <= radius) & (abs(v) <= radius)
        yield "square, upright", 8 * radius, diagonal, 2 * radius, (abs(x) <= radius) & (abs(y) <= radius)


def shape_table(rng: np.random.Generator) -> None:
    """Mean error over places and directions, in per cent."""
    print("| shape | size / px | perimeter | scikit-image `perimeter` | `perimeter_crofton` | Feret max | Feret min |")
    print("|---|---:|---:|---:|---:|---:|---:|")
    for radius in SCALES:
        errors: dict[str, list[list[float]]] = {}
        for name, around, widest, narrowest, mask in shapes(radius, rng):
            table = measure_objects(mask.astype(np.uint8))
            found = (table.perimeter[0], perimeter(mask), perimeter_crofton(mask), table.feret_max[0])
            exact = (around, around, around, widest, narrowest)
            errors.setdefault(name, []).append(
                [f / e - 1 for f, e in zip((*found, table.feret_min[0]), exact, strict=True)]
            )
        for name, rows in errors.items():
            cells = " | ".join(f"{100 * value:+.1f} %" for value in np.mean(rows, axis=0))
            print(f"| {name} | {2 * radius} | {cells} |")


def nearest(seeds: np.ndarray, shape: tuple[int, int] = SHAPE) -> LabelMap:
    """Voronoi tessellation."""
    pixels = np.stack(np.mgrid[: shape[0], : shape[1]], axis=-1).reshape(-1, 2)
    return (cKDTree(seeds).query(pixels)[1] + 1).reshape(shape).astype(np.uint32)


def hexagons(area: float, rng: np.random.Generator) -> LabelMap:
    """Regular hexagons, shifted at random."""
    side = np.sqrt(area / (1.5 * np.sqrt(3)))
    rows, columns = np.mgrid[-3 : SHAPE[0] // int(1.5 * side) + 4, -3 : SHAPE[1] // int(1.7 * side) + 4]
    seeds = np.stack([rows * 1.5 * side, (columns + (rows % 2) / 2) * np.sqrt(3) * side], axis=-1).reshape(-1, 2)
    return nearest(seeds + rng.uniform(0, 2 * side, 2))


def voronoi(area: float, rng: np.random.Generator) -> LabelMap:
    """Cells of random points that go on beyond the image."""
    margin = 4 * np.sqrt(area)
    count = rng.poisson((SHAPE[0] + 2 * margin) * (SHAPE[1] + 2 * margin) / area)
    return nearest(rng.uniform((-margin, -margin), (SHAPE[0] + margin, SHAPE[1] + margin), (count, 2)))


def grain_table(rng: np.random.Generator, images: int) -> None:
    """Grain size of tilings whose mean area and mean intercept are known."""
    print("| tiling | grain area / px | G intercept | G planimetric | intervals hold it | N_A, border-corrected |")
    print("|---|---:|---:|---:|---:|---:|")
    hexagon, cell = np.pi * np.sqrt(3) / 4 / np.sqrt(1.5 * np.sqrt(3)), np.pi / 4  # mean intercept over √area
    tilings: tuple[tuple[str, Callable[[float, np.random.Generator], LabelMap], float], ...] = (
        ("hexagons", hexagons, hexagon),
        ("Poisson-Voronoi", voronoi, cell),
    )
    for name, draw, chord in tilings:
        for area in (200.0, 800.0, 3200.0):
            rows = [_grain_errors(draw(area, rng), area, chord) for _ in range(images)]
            lines, count, held, density = np.mean(rows, axis=0)
            print(f"| {name} | {area:g} | {lines:+.3f} | {count:+.3f} | {held:.0%} | {density - 1:+.1%} |")


def _grain_errors(ids: LabelMap, area: float, chord: float) -> tuple[float, float, float, float]:
    grains, _ = compact_ids(ids)
    lines, count = intercept_grain_size(grains, UM), planimetric_grain_size(grains, UM)
    exact = number_from_intercept(chord * np.sqrt(area) / 1000), number_from_density(1e6 / area)
    held = np.mean([(f.low or -np.inf) <= e <= f.high for f, e in zip((lines, count), exact, strict=True)])
    density = size_distribution(measure_objects(ids), SHAPE, UM).per_area * area
    return lines.grain_size_number - exact[0], count.grain_size_number - exact[1], float(held), density


def phase_table(rng: np.random.Generator, images: int) -> None:
    """How often the intervals hold the fraction 1 - exp(-λ π r²) of discs thrown at random."""
    print(
        "| radius / px | fraction | area fraction: half interval | holds it | E562 points: half interval | holds it |"
    )
    print("|---:|---:|---:|---:|---:|---:|")
    pixels = np.stack(np.mgrid[: SHAPE[0], : SHAPE[1]], axis=-1).reshape(-1, 2)
    for radius, fraction in ((4, 0.05), (4, 0.3), (10, 0.1), (10, 0.5), (25, 0.3)):
        rows = []
        for _ in range(images):
            density = -np.log(1 - fraction) / (np.pi * radius**2)
            area = (SHAPE[0] + 4 * radius) * (SHAPE[1] + 4 * radius)
            high = (SHAPE[0] + 2 * radius, SHAPE[1] + 2 * radius)
            centres = rng.uniform((-2 * radius, -2 * radius), high, (rng.poisson(density * area), 2))
            inside = cKDTree(centres).query(pixels)[0].reshape(SHAPE) < radius
            phase = measure_phases(inside.astype(np.uint8), UM)[-1]
            for part in (phase.area_fraction, phase.point_count):
                rows += [(part.high - part.low) / 2, part.low <= fraction <= part.high]
        means = np.array(rows).reshape(-1, 4).mean(axis=0)
        print(f"| {radius} | {fraction} | {means[0]:.3f} | {means[1]:.0%} | {means[2]:.3f} | {means[3]:.0%} |")


def cost(rng: np.random.Generator) -> None:
    """CPU seconds of one image with 2,000 objects beside regionprops_table, in one run."""
    ids = nearest(rng.uniform((0, 0), (768, 1024), (2000, 2)), (768, 1024))
    names = ("area", "perimeter", "centroid", "bbox", "orientation", "axis_major_length", "axis_minor_length")
    names += ("solidity", "feret_diameter_max")
    work: dict[str, Callable[[], object]] = {
        "regionprops_table, the properties it has": lambda: regionprops_table(ids, properties=names),
        "measure_objects": lambda: measure_objects(ids),
        "measure_image": lambda: measure_image(ids),
    }
    for name, run in work.items():
        run()
        start = time.process_time()
        run()
        print(f"{name}: {time.process_time() - start:.2f} s of CPU")


def main() -> None:
    """Print every table; with --plot, draw a generated polycrystal's morphology."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--plot", type=Path)
    parser.add_argument("--images", type=int, default=40)
    chosen = parser.parse_args()
    if chosen.plot:
        drawn = generate("grains", (600, 800), np.random.default_rng([0, 0]))
        found = measure_image(drawn.instances, drawn.phases, drawn.calibration, names=drawn.classes)
        chosen.plot.write_bytes(draw_morphology(found, "grains"))
        return
    rng = np.random.default_rng(0)
    shape_table(rng)
    print()
    grain_table(rng, chosen.images)
    print()
    phase_table(rng, chosen.images)
    print()
    cost(rng)


if __name__ == "__main__":
    main()
