"""The figures of docs/notes/phase-learning.md, after figures 11 and 12 of the paper.

    python benchmarks/plm_figures.py runs.jsonl VAL --adapter ADAPTER.safetensors --name superalloy --out docs/images

``NAME_regulators.png``: γ and δ at every look of training, mean and range over the seeds. ``NAME_encodings.png``:
encodings before and after the module as three principal components in red, green and blue.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from matcurate.config import load_settings
from matcurate.imaging.dataset import open_dataset
from matcurate.phase.inference import segment_phases
from matcurate.phase.model import PhaseModel
from matcurate.phase.ratios import exact_ratio, guessed_ratio
from matcurate.phase.samples import Picture, picture, resized
from matcurate.phase.storage import load_adapter
from matcurate.promptable.registry import load_backbone

Picturable = NDArray[np.float64]


def main() -> None:
    """Draw both."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", type=Path)
    parser.add_argument("val", type=Path)
    parser.add_argument("--adapter", type=Path, required=True)
    parser.add_argument("--name", required=True)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    runs = [json.loads(line) for line in options.runs.read_text().splitlines()]
    mine = [run["history"] for run in runs if run["plm"] and run["val"] == str(options.val)]
    save(regulators(mine), options.out / f"{options.name}_regulators.png")
    settings = load_settings()
    backbone = load_backbone("builtin", settings.resolved_cache_dir, cache_gib=settings.cache_gib)
    model = load_adapter(options.adapter).model(backbone)
    sample = open_dataset(options.val).samples[0]
    labelled = sample.load(max_megapixels=settings.max_megapixels)
    shown = picture(sample.name, labelled.micrograph.pixels, labelled.phases)
    save(encodings(model, shown), options.out / f"{options.name}_encodings.png")


def regulators(histories: list[list[dict[str, Any]]]) -> Figure:
    """γ and δ of every module over the steps: mean and range over the seeds."""
    modules = len(histories[0][0]["regulators"])
    figure = Figure(figsize=(3.4 * modules, 2.6), layout="constrained")
    length = min(len(history) for history in histories)
    steps = [0, *(look["step"] for look in histories[0][:length])]
    for module in range(modules):
        axes = figure.add_subplot(1, modules, module + 1)
        for which, (sign, colour) in enumerate((("γ: original", "tab:blue"), ("δ: ratio-aware", "tab:orange"))):
            values = np.array([[0.5, *(look["regulators"][module][which] for look in h[:length])] for h in histories])
            axes.plot(steps, values.mean(axis=0), marker="o", markersize=3, color=colour, label=sign)
            axes.fill_between(steps, values.min(axis=0), values.max(axis=0), color=colour, alpha=0.25, linewidth=0)
        axes.set(xlabel="step", ylabel="regulator")
        axes.set_title("coarsest features" if module == 0 else "before the head", fontsize=9)
        axes.legend(frameon=False, fontsize=8)
    return figure


def encodings(model: PhaseModel, shown: Picture) -> Figure:
    """A micrograph, its phases, what was found; and encodings before and after the module, coarsest and finest."""
    seen = resized(shown, model.scale)
    grey = torch.from_numpy(seen.grey)
    levels = model.segmenter.levels(grey)
    ratio = guessed_ratio(exact_ratio(shown.labels, model.phases), 0.9)
    told = torch.from_numpy(ratio).float()[None]
    with torch.inference_mode():
        before = model.segmenter.encode(((grey - levels.zero) / (levels.one - levels.zero))[None, None])
        after = model.aware(before, told)
    panels: list[tuple[str, Picturable]] = [
        (shown.name, seen.grey.astype(float)),
        ("truth", colours(shown.labels, model.phases)),
        ("found, ratio of accuracy 0.9", colours(segment_phases(model, shown.grey, ratio), model.phases)),
    ]
    pairs = [("coarsest", before.features, after.features)]
    if model.decoded_plm is not None:
        with torch.inference_mode():
            decoded = model.segmenter.decoded(after)
            pairs.append(("before the head", decoded, model.decoded_plm(decoded, told)))
    for level, old, new in pairs:
        panels += [(f"{level}, before", components(old[0])), (f"{level}, after", components(new[0]))]
    columns = 5
    rows = -(-len(panels) // columns)
    figure = Figure(figsize=(2.3 * columns, 2.5 * rows), layout="constrained")
    for index, (title, image) in enumerate(panels):
        axes = figure.add_subplot(rows, columns, index + 1)
        axes.imshow(image, cmap="gray", interpolation="nearest")
        axes.set_title(title, fontsize=8)
        axes.set_axis_off()
    return figure


def components(features: torch.Tensor) -> Picturable:
    """First three principal components of (C, h, w), each from its 2nd to its 98th percentile: (h, w, 3) in [0, 1]."""
    flat = features.flatten(1).T.double()
    centred = flat - flat.mean(dim=0)
    _, _, directions = torch.pca_lowrank(centred, q=3, center=False, niter=8)
    found: Picturable = (centred @ directions).numpy()
    low, high = np.percentile(found, (2, 98), axis=0)
    scaled = np.clip((found - low) / np.maximum(high - low, 1e-9), 0, 1)
    return scaled.reshape(*features.shape[1:], 3)


def colours(labels: NDArray[np.uint8], phases: int) -> Picturable:
    """Phases in colours, (H, W, 3)."""
    palette = np.array([(0.15, 0.15, 0.2), (0.95, 0.6, 0.1), (0.2, 0.6, 0.9), (0.5, 0.8, 0.3), (0.8, 0.3, 0.6)])
    shown: Picturable = palette[labels % len(palette)]
    return shown


def save(figure: Figure, path: Path) -> None:
    """Write a PNG."""
    path.parent.mkdir(parents=True, exist_ok=True)
    FigureCanvasAgg(figure).print_png(str(path))  # type: ignore[no-untyped-call]


if __name__ == "__main__":
    main()
