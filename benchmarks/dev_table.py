"""Print the table that a change of the segmentation is judged by: real images, generated ones, changed ones.

python benchmarks/dev_table.py [--methods matsam,otsu,bias] [--robust] [--limit N] [--processes 2] DATASET[=PRESET]...

Columns are IoU and ARI of each method, and the image on which it loses most IoU to ``bias``. Generated pictures are
drawn freshly from ``--seed`` (``--generated 0``: none); ``--robust`` adds a row for every dataset and change.
"""

import argparse
import functools
import multiprocessing
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from matcurate.bench.robust import score_change
from matcurate.bench.segment import MeasuredMethod, SegmentBenchmark, build_method
from matcurate.config import load_settings
from matcurate.imaging import KINDS, change_named, changes_named, open_dataset
from matcurate.plain.synthesise import synthesise
from segment import Folder

REFERENCE = "bias"
PRESETS = {"grains": "grains", "etched": "grains", "layers": "layers"}
"""Presets of generated kinds; ``phases`` for the others."""


@dataclass(frozen=True)
class Row:
    """A dataset, unchanged or after a change."""

    folder: Folder
    change: str | None

    @property
    def name(self) -> str:
        """Dataset, and change if any."""
        return f"{self.folder.name}, {self.change}" if self.change else self.folder.name


@dataclass(frozen=True)
class Work:
    """One method on one row."""

    row: Row
    column: str
    limit: int | None
    seed: int


@functools.cache
def built(column: str, preset: str) -> MeasuredMethod:
    """A method, for matsam and amg with a backbone behind a colon; made once in each process."""
    method, _, backbone = column.partition(":")
    return build_method(method, settings=load_settings(), preset=preset, backbone=backbone or None)


def measured(work: Work) -> SegmentBenchmark:
    """Scores of a method on a row."""
    row = work.row
    dataset = open_dataset(row.folder.path).first(work.limit)
    change = change_named(row.change) if row.change else None
    limit = load_settings().max_megapixels
    return score_change(dataset, built(work.column, row.folder.preset), change, work.seed, max_megapixels=limit)


def generated(place: Path, count: int, size: tuple[int, int], seed: int) -> list[Folder]:
    """Dataset folders of freshly drawn pictures, one for each kind."""
    folders = []
    for kind in KINDS if count else ():
        out = place / "generated" / kind
        synthesise(kind, count, out, size=size, seed=seed)
        folders.append(Folder(out, PRESETS.get(kind, "phases")))
    return folders


def worst(report: SegmentBenchmark, reference: SegmentBenchmark) -> tuple[float, str]:
    """Largest loss of IoU on a single image, and its name."""
    level = {score.name: score.iou for score in reference.per_image}
    return min((score.iou - level[score.name], score.name) for score in report.per_image)


def line(name: str, values: Sequence[float], rest: Sequence[str]) -> str:
    """A row of the table."""
    return f"| {' | '.join([name, *(f'{value:.3f}' for value in values), *rest])} |"


def falls_of(reports: Mapping[str, SegmentBenchmark]) -> list[str]:
    """Worst single image of every column but the reference."""
    falls = [worst(report, reports[REFERENCE]) for column, report in reports.items() if column != REFERENCE]
    return [f"{fall:+.3f} ({image})" for fall, image in falls]


def show_means(scores: Mapping[Row, Sequence[float]], columns: Sequence[str]) -> None:
    """Print the means of the unchanged and of the changed rows."""
    for title, changed in (("mean, unchanged", False), ("mean, changed", True)):
        chosen = [values for row, values in scores.items() if bool(row.change) == changed]
        if chosen:
            means = [sum(values) / len(chosen) for values in zip(*chosen, strict=True)]
            print(line(title, means, [""] * (len(columns) - 1)))


def parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Options of the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("datasets", nargs="*", type=Folder.parse, metavar="DATASET[=PRESET]")
    parser.add_argument("--methods", default="matsam,otsu,bias")
    parser.add_argument("--robust", action="store_true", help="with a row for every change")
    parser.add_argument("--changes", default=None, help="by comma: only these; implies --robust")
    parser.add_argument("--limit", type=int, default=None, help="images of a dataset")
    parser.add_argument("--generated", type=int, default=4, help="pictures of each kind")
    parser.add_argument("--size", default="384x512", help="of generated pictures, HxW")
    parser.add_argument("--seed", type=int, default=700, help="of generated pictures and of the changes")
    parser.add_argument("--processes", type=int, default=1)
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    chosen = parsed(arguments)
    columns = [*dict.fromkeys([*chosen.methods.split(","), REFERENCE])]
    names = chosen.changes.split(",") if chosen.changes else None
    changes = [change.name for change in changes_named(names)] if chosen.robust or names else []
    height, width = (int(edge) for edge in chosen.size.split("x"))
    with tempfile.TemporaryDirectory() as place:
        folders = [*chosen.datasets, *generated(Path(place), chosen.generated, (height, width), chosen.seed)]
        rows = [Row(folder, change) for folder in folders for change in (None, *changes)]
        work = [Work(row, column, chosen.limit, chosen.seed) for row in rows for column in columns]
        heads = [f"{measure} {column}" for measure in ("IoU", "ARI") for column in columns]
        heads += [f"worst {column} − {REFERENCE}" for column in columns if column != REFERENCE]
        print(f"| dataset | {' | '.join(heads)} |\n|---|{'---:|' * len(heads)}")
        # Processes are spawned: torch does not survive a fork of a process that has used its threads.
        with ProcessPoolExecutor(chosen.processes, multiprocessing.get_context("spawn")) as pool:
            results = pool.map(measured, work)
            reports, scores = [], {}
            for row in rows:
                across = {column: next(results) for column in columns}
                reports += across.values()
                scores[row] = [getattr(report, name) for name in ("iou", "ari") for report in across.values()]
                print(line(row.name, scores[row], falls_of(across)), flush=True)
    show_means(scores, columns)
    versions = sorted({report.version for report in reports if report.version})
    print(f"\nGenerated pictures: seed {chosen.seed}. Versions: {', '.join(versions) or 'none'}.")
    for problem in sorted({problem for report in reports for problem in report.problems}):
        print(f"Not measured: {problem}")


if __name__ == "__main__":
    main()
