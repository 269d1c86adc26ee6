"""Print the segmentation table of docs/benchmarks.md for dataset folders.

python benchmarks/segment.py [--preset phases] [--methods matsam,otsu] DATASET...
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from matcurate.config import load_settings
from matcurate.workflows.bench_segment import AMG, METHODS, SegmentBenchmark, bench_segment

HEADING = "| dataset | images | method | IoU | IoU foreground | F1 | recall | ARI | s/image |"
RULE = "|---|---:|---|---:|---:|---:|---:|---:|---:|"


def row(name: str, report: SegmentBenchmark) -> str:
    """One line of the table."""
    method = report.version or report.method
    values = (report.iou, report.iou_foreground, report.f1, report.recall, report.ari)
    cells = " | ".join(f"{value:.3f}" for value in values)
    return f"| {name} | {report.images} | {method} | {cells} | {report.seconds_per_image:.2f} |"


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("datasets", nargs="+", type=Path)
    parser.add_argument("--preset", default="phases")
    parser.add_argument("--backbone", default="tree")
    parser.add_argument("--methods", default=",".join(method for method in METHODS if method != AMG))
    chosen = parser.parse_args(arguments)
    print(HEADING)
    print(RULE)
    for folder in chosen.datasets:
        name = "/".join(folder.absolute().parts[-2:])
        for method in chosen.methods.split(","):
            report = bench_segment(
                folder, method, settings=load_settings(), preset=chosen.preset, backbone=chosen.backbone
            )
            print(row(name, report), flush=True)


if __name__ == "__main__":
    main()
