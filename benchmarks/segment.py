"""Print the segmentation tables of docs/benchmarks.md for dataset folders.

python benchmarks/segment.py [--columns otsu,matsam:builtin] [--timed vit_b] DATASET[=PRESET]...

A column is a method, for matsam and amg with a backbone behind a colon. ``--timed`` names a backbone with random
weights whose seconds are taken on the first image of each dataset.
"""

import argparse
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from matcurate.bench.segment import MATSAM, SegmentBenchmark, bench_segment
from matcurate.config import load_settings
from matcurate.imaging.dataset import open_dataset

COLUMNS = "matsam:builtin,otsu,adaptive,canny,watershed"
MEASURES = {"iou": "IoU", "f1": "F1", "recall": "recall", "ari": "ARI"}


@dataclass(frozen=True)
class Folder:
    """A dataset and the preset it is segmented with."""

    path: Path
    preset: str

    @classmethod
    def parse(cls, text: str) -> "Folder":
        """``DATASET`` or ``DATASET=PRESET``."""
        path, _, preset = text.partition("=")
        return cls(Path(path), preset or "phases")

    @property
    def name(self) -> str:
        """The last two parts of the path."""
        return "/".join(self.path.absolute().parts[-2:])


def measured(folder: Folder, column: str) -> SegmentBenchmark:
    """Scores of a column on a dataset."""
    method, _, name = column.partition(":")
    return bench_segment(folder.path, method, settings=load_settings(), preset=folder.preset, backbone=name or None)


def timed(folder: Folder, backbone: str) -> float:
    """Seconds that MatSAM takes for the first image with random weights."""
    first = open_dataset(folder.path).samples[0]
    with tempfile.TemporaryDirectory() as place:
        for kind, file in (("images", first.image_path), ("masks", first.mask_path)):
            (Path(place) / kind).mkdir()
            shutil.copy(file, Path(place) / kind)
        options = {"preset": folder.preset, "backbone": backbone, "random_weights": True}
        return bench_segment(Path(place), MATSAM, settings=load_settings(), **options).seconds_per_image


def table(title: str, heads: Sequence[str], rows: Mapping[str, Sequence[float]], digits: int) -> None:
    """Print a table, the best of each row bold, with the means of the columns."""
    print(f"\n**{title}**\n\n| dataset | {' | '.join(heads)} |\n|---|{'---:|' * len(heads)}")
    means = [sum(column) / len(rows) for column in zip(*rows.values(), strict=True)]
    best = max if digits == 3 else min
    for name, values in {**rows, "mean": means}.items():
        cells = [f"{value:.{digits}f}" for value in values]
        top = f"{best(values):.{digits}f}"
        print(f"| {name} | {' | '.join(f'**{cell}**' if cell == top else cell for cell in cells)} |")


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("datasets", nargs="+", type=Folder.parse, metavar="DATASET[=PRESET]")
    parser.add_argument("--columns", default=COLUMNS)
    parser.add_argument("--timed", default=None)
    chosen = parser.parse_args(arguments)
    columns = chosen.columns.split(",")
    reports = {folder: [measured(folder, column) for column in columns] for folder in chosen.datasets}
    for key, title in MEASURES.items():
        rows: dict[str, list[float]] = {
            folder.name: [getattr(report, key) for report in row] for folder, row in reports.items()
        }
        table(title, columns, rows, 3)
    seconds = {folder.name: [report.seconds_per_image for report in row] for folder, row in reports.items()}
    if chosen.timed:
        columns = [*columns, f"matsam:{chosen.timed}, random weights"]
        seconds = {folder.name: [*seconds[folder.name], timed(folder, chosen.timed)] for folder in reports}
    table("seconds an image", columns, seconds, 2)
    versions = {report.version for row in reports.values() for report in row if report.version}
    images = ", ".join(f"{folder.name} {row[0].images}" for folder, row in reports.items())
    print(f"\nImages: {images}. Versions: {', '.join(sorted(versions))}.")


if __name__ == "__main__":
    main()
