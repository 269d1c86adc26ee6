"""How well regions are discovered in collages of textures, engine by engine.

    python benchmarks/discovery.py FOLDER [--collages N] [--methods network,fisher,paper,gabor]
    python benchmarks/discovery.py --micrographs DATASET [DATASET ...]
    python benchmarks/discovery.py --memory

FOLDER holds images of one texture each. Prints for each engine the share of collages with the right number of regions,
the share of pixels in the right region at the estimated and at the true number, and CPU seconds for an image.
``--micrographs`` prints the number of regions of each image of dataset folders, and class-mean IoU beside that of Otsu.
``--memory`` divides an image of 4096 x 4096 and prints seconds and peak memory.
"""

import argparse
import resource
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from scipy.ndimage import gaussian_filter
from scipy.optimize import linear_sum_assignment
from skimage.filters import threshold_otsu
from sklearn.cluster import KMeans
from sklearn.metrics import silhouette_score

from matcurate.bench.discover import matched_accuracy
from matcurate.imaging import open_dataset, read_micrograph, texture
from matcurate.segmentation.boost.textures import FilterBank, FilterBankSettings
from matcurate.segmentation.collage import Collages, CollageSettings
from matcurate.segmentation.discovery import discover
from matcurate.segmentation.fisher import PaperSettings
from matcurate.types import LabelMap, Pixels

SETS = {
    "384 px, 2-4 textures": (384, (2, 4)),
    "448 px, 2-3 textures": (448, (2, 3)),
    "384 px, one texture": (384, (1, 1)),
}
Answer = tuple[LabelMap, int]
"""Labels (H, W) and the number of regions."""


def gabor(pixels: Pixels, regions: int | None) -> Answer:
    """k-means of 6 x 6 Gabor energies, as logarithms; the number is that of the largest silhouette."""
    bank = FilterBankSettings(cell=4, octaves=3, directions=6, patterns=False, grey=False)
    field = np.asarray(gaussian_filter(FilterBank(bank)(pixels), (5, 5, 0)), dtype=np.float64)
    points = field.reshape(-1, field.shape[2])
    points = (points - points.mean(axis=0)) / np.maximum(points.std(axis=0), 1e-6)
    labels = {
        k: KMeans(k, n_init=3, random_state=0).fit(points).labels_ for k in ([regions] if regions else range(2, 7))
    }
    some = np.random.default_rng(0).permutation(len(points))[:1500]
    best = regions or max(labels, key=lambda k: silhouette_score(points[some], labels[k][some]))
    coarse = labels[best].reshape(field.shape[:2]).astype(np.uint8)
    rows, columns = (np.minimum(np.arange(n) // 4, m - 1) for n, m in zip(pixels.shape, coarse.shape, strict=True))
    return coarse[np.ix_(rows, columns)], best


def discovered(method: str, paper: PaperSettings | None = None) -> Callable[[Pixels, int | None], Answer]:
    """An engine of the project as a method of this table."""

    def answer(pixels: Pixels, regions: int | None) -> Answer:
        discovery = discover(pixels, method, regions, paper=paper)
        return discovery.labels, discovery.count

    return answer


METHODS: dict[str, Callable[[Pixels, int | None], Answer]] = {
    "network": discovered("network"),
    "fisher": discovered("fisher"),
    "paper": discovered("paper"),
    "paper-elbow": discovered("paper", PaperSettings(rule="elbow")),
    "gabor": gabor,
}


def table(folder: Path, count: int, names: list[str], seed: int) -> None:
    """Print a row for each set and method."""
    textures = [[read_micrograph(path).pixels.astype(np.float32)] for path in sorted(folder.glob("*.png"))]
    print(f"{len(textures)} textures of {folder.name}, {count} collages a set, seed {seed}")
    print("set | method | right K | too few | too many | at estimated K | median | at true K | CPU s")
    for title, (edge, regions) in SETS.items():
        collages = Collages(textures, CollageSettings(size=(edge, edge), regions=regions))
        for name in names:
            rows = []
            for index in range(count):
                collage = collages.collage(seed, index)
                true = len(np.unique(collage.labels))
                begun = time.process_time()
                labels, estimated = METHODS[name](collage.grey, None)
                seconds = time.process_time() - begun
                given = labels if estimated == true else METHODS[name](collage.grey, true)[0]
                scores = (matched_accuracy(each, collage.labels) for each in (labels, given))
                rows.append((estimated == true, estimated < true, estimated > true, *scores, seconds))
            right, few, many, accuracy, given, seconds = np.mean(rows, axis=0)
            median = np.median([row[3] for row in rows])
            cells = (f"{value:.3f}" for value in (right, few, many, accuracy, median, given))
            print(title, name, *cells, f"{seconds:.2f}", sep=" | ", flush=True)


def micrographs(folders: list[Path]) -> None:
    """Print the regions of real micrographs, and their class-mean IoU at the true number of classes."""
    for folder in folders:
        for sample in open_dataset(folder):
            labelled = sample.load()
            pixels, truth = labelled.micrograph.pixels, labelled.phases
            discovery = discover(pixels)
            asked = discover(pixels, regions=len(np.unique(truth)))
            otsu = (pixels > threshold_otsu(pixels)).astype(np.uint8)
            ious = [matched_iou(labels, truth) for labels in (discovery.labels, asked.labels, otsu)]
            print(folder.parent.name, sample.name, discovery.reason, *(f"{iou:.3f}" for iou in ious), sep=" | ")


def matched_iou(predicted: LabelMap, truth: LabelMap) -> float:
    """Mean IoU over the classes of the truth, each matched with a region of its own; 0 for those without."""
    ious = np.array(
        [
            [
                np.mean((predicted == a) & (truth == b)) / np.mean((predicted == a) | (truth == b))
                for b in np.unique(truth)
            ]
            for a in np.unique(predicted)
        ]
    )
    return float(ious[linear_sum_assignment(-ious)].sum() / ious.shape[1])


def memory(method: str) -> None:
    """Print seconds and peak memory for an image of 4096 x 4096 of two textures."""
    parts = [texture((512, 512), np.random.default_rng(seed)) for seed in (1, 2)]
    image = np.hstack([np.tile(part, (8, 4)) for part in parts])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    begun = time.process_time()
    discovery = discover(image, method)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(
        f"{method}: {image.shape[0]} x {image.shape[1]}: {discovery.reason}; {time.process_time() - begun:.0f} CPU s, "
        f"peak {peak / 2**20:.2f} GiB, {before / 2**20:.2f} before"
    )


def main() -> None:
    """Run what the arguments ask for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--collages", type=int, default=60)
    parser.add_argument("--methods", default="network,fisher,paper,paper-elbow,gabor")
    parser.add_argument("--seed", type=int, default=100)
    parser.add_argument("--micrographs", nargs="+", type=Path, default=[])
    parser.add_argument("--memory", action="store_true")
    given = parser.parse_args()
    if given.memory:
        memory(given.methods.split(",")[0])
    if given.micrographs:
        micrographs(given.micrographs)
    if given.folder:
        table(given.folder, given.collages, given.methods.split(","), given.seed)


if __name__ == "__main__":
    main()
