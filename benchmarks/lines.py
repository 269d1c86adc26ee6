"""What scratches and seams do to grains: ``python benchmarks/lines.py [tree|builtin] [images]``, a Markdown table."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from matcurate.config import load_preset
from matcurate.imaging.synth.canvas import Canvas
from matcurate.imaging.synth.nuisances import Nuisances, scratches
from matcurate.imaging.synth.registry import generate
from matcurate.promptable.builtin.shipped import shipped
from matcurate.promptable.tree import TreeBackbone
from matcurate.segmentation.matsam.pipeline import MatSam, MatSamPreset
from matcurate.segmentation.metrics import adjusted_rand_index

SIZE = (320, 448)
CLEAN = Nuisances(scratches=(0, 0), stitching=0)
DEPTHS, STEPS = (0.1, 0.2), (0.04, 0.1)


def pictures(seed: int) -> Iterator[tuple[str, NDArray[Any], NDArray[Any]]]:
    """(name, pixels, instances) of one specimen: undisturbed, scratched, stitched."""

    def drawn(options: Nuisances) -> tuple[NDArray[Any], NDArray[Any]]:
        micrograph = generate("grains", SIZE, np.random.default_rng([9, seed]), options)
        return micrograph.pixels, micrograph.instances

    pixels, truth = drawn(CLEAN)
    yield "undisturbed", pixels, truth
    for depth in DEPTHS:
        with torch.inference_mode():
            marks = scratches(Canvas.of(SIZE, np.random.default_rng([5, seed])), 6, depth).numpy()
        yield f"6 scratches, depth {depth}", np.clip(pixels + 255 * marks, 0, 255).astype(np.uint8), truth
    for step in STEPS:
        yield (
            f"stitched, step {step}",
            *drawn(CLEAN.model_copy(update={"stitching": 1.0, "stitching_step": (step, step)})),
        )


def main(backbone: str = "builtin", images: int = 12) -> None:
    """Print ARI and number of grains with straight lines kept and removed."""
    torch.set_num_threads(1)
    preset = load_preset("grains", MatSamPreset, "presets")
    model = TreeBackbone() if backbone == "tree" else shipped("cpu")
    methods = [MatSam(model, preset.model_copy(update={"straight_lines": how})) for how in ("kept", "removed")]
    rows: dict[str, list[list[float]]] = {}
    for seed in range(images):
        for name, pixels, truth in pictures(seed):
            values = [float(len(np.unique(truth)))]
            for method in methods:
                found = method.segment(pixels)
                values += [adjusted_rand_index(found.instances, truth), float(found.count)]
            rows.setdefault(name, []).append(values)
    sys.stdout.write("| picture | grains | ARI kept | found | ARI removed | found |\n|---|---|---|---|---|---|\n")
    for name, measured in rows.items():
        true, kept, kept_count, removed, removed_count = np.mean(measured, axis=0)
        row = f"| {name} | {true:.0f} | {kept:.3f} | {kept_count:.0f} | {removed:.3f} | {removed_count:.0f} |"
        sys.stdout.write(row + "\n")


if __name__ == "__main__":
    main(sys.argv[1] if sys.argv[1:] else "builtin", int(sys.argv[2]) if sys.argv[2:] else 12)
