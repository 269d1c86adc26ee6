"""The numbers of docs/methods/iterate.md: from micrographs without labels to a model that tells them apart.

    python benchmarks/iterate.py HOME --materials ebc=DIR uhcs=DIR … --unseen ebc=DIR uhcs=DIR … [--steps 240]

A DIR holds images/ with or without masks/, or images alone. The expert is this script: it knows the name of every
material, and of the phase of a region where there are masks (``ebc 1``: what most of the box is), and names the least
known region until none is left. Then the regions of the unseen images are classified by the segmenter: a region is
right when most of its pixels are of its class. HOME must be new; killed, the same command goes on.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from matcurate.catalog import Box, get_micrograph
from matcurate.config import load_settings
from matcurate.errors import CurateError
from matcurate.imaging import read_micrograph
from matcurate.imaging.ignored import ignored_of, looked_at
from matcurate.imaging.labels import read_labels
from matcurate.phase.inference import segment_phases
from matcurate.phase.ratios import no_ratio
from matcurate.phase.samples import grey_levels
from matcurate.promptable.builtin.shipped import shipped
from matcurate.workflows.home import Workspace, initialise, open_workspace
from matcurate.workflows.iterate import IterationReport, class_registry, iterate
from matcurate.workflows.versions import load_files_of

IMAGES = (".png", ".tif", ".jpg")


def images_of(folder: Path) -> list[Path]:
    """Images of a folder, or of its images/."""
    inner = folder / "images"
    return sorted(path for path in (inner if inner.is_dir() else folder).iterdir() if path.suffix in IMAGES)


def name_of(path: Path, material: str, box: Box) -> str:
    """What a box of an image shows: the material, or its phase where a mask says which; a texture by its file."""
    mask = path.parent.parent / "masks" / path.name
    if not mask.exists():
        return f"{material} {path.stem.split('_')[0]}" if material == "texture" else material
    if material != "ebc":
        return material
    labels = read_labels(mask)[box.top : box.top + box.height, box.left : box.left + box.width]
    return f"{material} {int(np.bincount(labels.ravel()).argmax())}"


def folders(given: list[str]) -> dict[str, Path]:
    """Folders by material."""
    return {name: Path(folder) for name, _, folder in (each.partition("=") for each in given)}


def taught(
    workspace: Workspace, materials: dict[str, Path], most: int, steps: int | None
) -> tuple[IterationReport, int]:
    """Let the script name regions until none is unknown; the last report, and how many were named."""
    owner = {path.stem: (path, material) for material, folder in materials.items() for path in images_of(folder)}
    report = iterate(workspace, [path for path, _ in owner.values()], until=most, steps=steps)
    while report.waiting and report.questions:
        question = report.questions[0]
        with workspace.reading() as session:
            path, material = owner[get_micrograph(session, question.micrograph).name]
        name = name_of(path, material, question.box)
        print(f"{question.name} {question.box}: u {question.vacuity:.2f} -> {name}", flush=True)
        report = iterate(workspace, names=[f"{question.key}={name}"], until=most, steps=steps)
    return report, report.named


def region_accuracy(workspace: Workspace, report: IterationReport, unseen: dict[str, Path]) -> tuple[int, int]:
    """Regions of unseen images that the segmenter names rightly, and all of them.

    An image of one material is one region; with masks, each phase that covers 5 % is one.
    """
    registry = class_registry(workspace)
    model = load_files_of(registry, registry.versions()[0]).adapter.model(shipped("cpu"))
    right = total = 0
    for material, folder in unseen.items():
        for path in images_of(folder):
            micrograph = read_micrograph(path)
            grey = grey_levels(looked_at(micrograph.pixels, ignored_of(micrograph)))
            predicted = segment_phases(model, grey, no_ratio(model.phases))
            for name, region in regions_of(path, material, predicted.shape):
                votes = np.bincount(predicted[region], minlength=model.phases)
                answer = report.classes[int(votes.argmax())]
                right, total = right + (answer == name), total + 1
                if answer != name:
                    print(f"{path.name}: {name} taken for {answer}")
    return right, total


def regions_of(path: Path, material: str, shape: tuple[int, ...]) -> list[tuple[str, NDArray[np.bool_]]]:
    """Names and masks (H, W) of the regions of an image."""
    mask = path.parent.parent / "masks" / path.name
    if material != "ebc" or not mask.exists():
        return [(name_of(path, material, Box(0, 0, 1, 1)), np.ones(shape, dtype=np.bool_))]
    labels = read_labels(mask)[: shape[0], : shape[1]]
    found = [(f"{material} {phase}", labels == phase) for phase in np.unique(labels)]
    return [(name, region) for name, region in found if region.mean() >= 0.05]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("home", type=Path)
    parser.add_argument("--materials", nargs="+", required=True)
    parser.add_argument("--unseen", nargs="+", required=True)
    parser.add_argument("--most", type=int, default=15, help="Regions that the expert names at most.")
    parser.add_argument("--steps", type=int, default=None)
    options = parser.parse_args()
    settings = load_settings(options.home)
    try:
        workspace = open_workspace(settings)
        workspace.project()
    except CurateError:
        initialise(settings, "iterate", ("phase",))
        workspace = open_workspace(load_settings(options.home))
    begun = time.perf_counter()
    report, named = taught(workspace, folders(options.materials), options.most, options.steps)
    right, total = region_accuracy(workspace, report, folders(options.unseen))
    unknown = len(report.questions)
    print(f"{len(report.classes)} classes, {named} regions named, {report.recognised} recognised, {unknown} unknown")
    if (made := report.segmenter) is not None:
        print(f"held-out collages {made.accuracy:.3f}, worst class {made.worst_class} {made.worst:.3f}")
    seconds = time.perf_counter() - begun
    print(f"regions of unseen images: {right} of {total} right ({right / total:.2f}); {seconds:.0f} s")


if __name__ == "__main__":
    main()
