"""Segment micrographs without any set-up."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from matcurate.cli.output import JsonFlag, emit_json, emit_table, progress_bar, refuse, session, warn
from matcurate.cli.pixel_size import NmPerPxOption, NmPerPxYOption, stated_calibration


class PolarityChoice(StrEnum):
    """Which side of the grey levels is foreground."""

    auto = "auto"
    bright = "bright"
    dark = "dark"


PresetOption = Annotated[
    str | None,
    typer.Option(help="phases, particles, grains, layers or the path of a YAML file [of the settings, else phases]."),
]
BackboneOption = Annotated[
    str | None, typer.Option(help="auto, builtin, vit_b, vit_l or vit_h [of the settings, else auto].")
]
PolarityOption = Annotated[
    PolarityChoice | None, typer.Option(help="Grey side of the foreground [of the preset, else auto].")
]
BoostOption = Annotated[
    int | None, typer.Option(min=1, max=255, help="Phases by texture: so many materials, from SAM-I-Am's booster.")
]


def segment(
    ctx: typer.Context,
    paths: Annotated[list[Path], typer.Argument(metavar="PATH...", help="Micrographs, or folders of them.")],
    out: Annotated[Path, typer.Option(help="Folder for the results; made when missing.")],
    preset: PresetOption = None,
    backbone: BackboneOption = None,
    polarity: PolarityOption = None,
    boost: BoostOption = None,
    nm_per_px: NmPerPxOption = None,
    nm_per_px_y: NmPerPxYOption = None,
    ignore_bars: Annotated[
        bool,
        typer.Option(
            "--ignore-bars/--count-bars", help="Data bars, borders and scale bars count for nothing, or as the rest."
        ),
    ] = True,
    json: JsonFlag = False,
) -> None:
    """Segment micrographs: instances, phases, an overlay and a table of the objects for each."""
    from matcurate.plain.segment import segment_files

    calibration = stated_calibration(nm_per_px, nm_per_px_y)
    with progress_bar("Segmenting") as progress:
        report = segment_files(
            paths,
            out,
            settings=session(ctx).settings,
            preset=preset,
            backbone=backbone,
            polarity=polarity.value if polarity else None,
            calibration=calibration,
            boost=boost,
            ignore_bars=ignore_bars,
            progress=progress,
        )
    if json:
        emit_json(report)
    elif report.images:
        rows = [(r.name, r.instances, r.phase_fraction, r.score, r.polarity, r.seconds) for r in report.images]
        emit_table(str(out), ("image", "objects", "phase fraction", "score", "polarity", "seconds"), rows)
        for image in report.images:
            for warning in image.warnings:
                warn(f"{image.name}: {warning}")
    refuse(report.problems)
