"""Generate synthetic micrographs."""

from __future__ import annotations

import re
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from matcurate.cli.output import JsonFlag, SeedOption, emit_json, emit_table, progress_bar, session


class Kind(StrEnum):
    """Kinds of microstructure, as registered in ``imaging.synth``; named here so that ``--help`` stays fast."""

    GRAINS = "grains"
    ETCHED = "etched"
    PHASES = "phases"
    PRECIPITATES = "precipitates"
    PARTICLES = "particles"
    DENDRITES = "dendrites"
    LAMELLAE = "lamellae"
    LAYERS = "layers"
    PORES = "pores"
    SPHEROIDITE = "spheroidite"
    FILM = "film"
    POWDER = "powder"
    TOMOGRAM = "tomogram"
    FIGURES = "figures"
    SCANS = "scans"


class Bits(StrEnum):
    """Depths of a generated image."""

    EIGHT = "8"
    SIXTEEN = "16"


def synth(
    ctx: typer.Context,
    kind: Annotated[Kind, typer.Option(help="Kind of microstructure.")],
    n: Annotated[int, typer.Option("--n", "-n", min=1, help="How many micrographs.")],
    out: Annotated[Path, typer.Option(help="Dataset folder to write; made when missing.")],
    size: Annotated[str, typer.Option(metavar="HxW", help="Height x width in pixels.")] = "512x512",
    seed: SeedOption = 0,
    bits: Annotated[Bits, typer.Option(help="Depth of the images.")] = Bits.EIGHT,
    device: Annotated[str, typer.Option(help="torch device that draws: cpu, cuda, cuda:1 …")] = "cpu",
    force: Annotated[bool, typer.Option("--force", help="Replace samples of the same names.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Generate micrographs with exact masks and instances as a dataset folder."""
    shape = parse_size(size)
    from matcurate.plain.synthesise import synthesise

    with progress_bar(f"drawing {kind.value}") as progress:
        report = synthesise(
            kind.value,
            n,
            out,
            size=shape,
            seed=seed,
            bits=16 if bits is Bits.SIXTEEN else 8,
            force=force,
            device=device,
            max_megapixels=session(ctx).settings.max_megapixels,
            progress=progress,
        )
    if as_json:
        emit_json(report)
        return
    rows = [[s.name, s.instances, *(f"{share:.1%}" for share in s.phase_ratio.values())] for s in report.samples]
    emit_table(f"{report.out} ({report.nm_per_px:g} nm per px)", ["micrograph", "instances", *report.classes], rows)


def parse_size(text: str) -> tuple[int, int]:
    """(H, W) of ``HxW``; anything else is a usage error."""
    match = re.fullmatch(r"(\d{1,6})[x×](\d{1,6})", text.strip().lower())
    if match is None:
        raise typer.BadParameter(f"{text!r} is not HxW in pixels, for example 512x768", param_hint="--size")
    return int(match[1]), int(match[2])
