"""Draw what each engine makes of two generated collages, as in docs/methods/discovery.md.

python benchmarks/discovery_figure.py --out docs/images/discovery.jpg
"""

import argparse
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from matcurate.bench.discover import matched_accuracy
from matcurate.imaging import texture
from matcurate.imaging.overlay import overlay
from matcurate.segmentation.collage import Collages, CollageSettings
from matcurate.segmentation.discovery import METHODS, discover

SIZE = (320, 400)
COLLAGES = ((11, 3), (12, 4))
"""Seed and number of textures of each row."""


def main() -> None:
    """Draw and write the picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("docs/images/discovery.jpg"))
    given = parser.parse_args()
    figure = Figure(figsize=(12, 5.2), layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.subplots(len(COLLAGES), 5, width_ratios=[1.25] * 4 + [1])
    for panels, (seed, count) in zip(grid, COLLAGES, strict=True):
        textures = [[texture(SIZE, np.random.default_rng((seed, each))).astype(np.float32)] for each in range(count)]
        collage = Collages(textures, CollageSettings(size=SIZE, regions=(count, count), curved=1)).collage(seed, 0)
        panels[0].imshow(overlay(collage.grey, collage.labels + 1, tint=0.0))
        panels[0].set_title(f"{count} textures", fontsize=9)
        for axes, method in zip(panels[1:4], METHODS, strict=True):
            discovery = discover(collage.grey, method)
            share = matched_accuracy(discovery.labels, collage.labels)
            axes.imshow(overlay(collage.grey, discovery.labels))
            axes.set_title(f"{method}: {discovery.count} regions, {share:.3f} right", fontsize=9)
            if method == "network":
                numbers = range(1, len(discovery.probabilities) + 1)
                panels[4].bar(numbers, discovery.probabilities, color="#56B4E9")
                panels[4].set_title("network: P(regions)", fontsize=9)
        for axes in panels[:4]:
            axes.set_axis_off()
    figure.savefig(given.out, dpi=90, pil_kwargs={"quality": 85})


if __name__ == "__main__":
    main()
