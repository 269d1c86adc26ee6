"""The options that state the size of a pixel."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from matcurate.types import Calibration

NmPerPxOption = Annotated[
    float | None,
    typer.Option(help="Physical width of a pixel in nm, instead of the file's; square unless a height is given."),
]
NmPerPxYOption = Annotated[
    float | None, typer.Option(help="Physical height of a pixel in nm, where pixels are not square (tilted specimen).")
]


def stated_calibration(nm_per_px: float | None, nm_per_px_y: float | None) -> Calibration | None:
    """Pixel size of ``--nm-per-px`` and ``--nm-per-px-y``; None when neither is given."""
    if nm_per_px_y is not None and nm_per_px is None:
        raise typer.BadParameter("needs --nm-per-px, the width of a pixel", param_hint="--nm-per-px-y")
    for option, size in (("--nm-per-px", nm_per_px), ("--nm-per-px-y", nm_per_px_y)):
        if size is not None and not 0 < size < float("inf"):
            raise typer.BadParameter(f"must be positive and finite, got {size}", param_hint=option)
    from matcurate.types import Calibration

    return Calibration.of_edges(nm_per_px, nm_per_px_y)
