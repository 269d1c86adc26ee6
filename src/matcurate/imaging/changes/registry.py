"""The changes by name."""

import zlib
from collections.abc import Sequence
from functools import partial

import numpy as np

from matcurate.errors import ConfigError
from matcurate.imaging.changes import exposure, geometry, overprint
from matcurate.imaging.changes.change import Change
from matcurate.imaging.dataset import LabelledMicrograph

CHANGES: dict[str, Change] = {
    change.name: change
    for change in (
        Change.of_shades("blur-1", "Gaussian blur, standard deviation 1 pixel", exposure.blurred, 1),
        Change.of_shades("blur-2", "Gaussian blur, standard deviation 2 pixels", exposure.blurred, 2),
        Change.of_shades("blur-4", "Gaussian blur, standard deviation 4 pixels", exposure.blurred, 4),
        Change("enlarged-2", "twice as many rows and columns", partial(geometry.scaled, factor=2)),
        Change("reduced-2", "half as many rows and columns", partial(geometry.scaled, factor=1 / 2)),
        Change("reduced-4", "a quarter of the rows and columns", partial(geometry.scaled, factor=1 / 4)),
        Change.of_shades("noise-10", "Gaussian noise, standard deviation 10 of 255 levels", exposure.noisy, 10),
        Change.of_shades("noise-20", "Gaussian noise, standard deviation 20 of 255 levels", exposure.noisy, 20),
        Change.of_shades("noise-40", "Gaussian noise, standard deviation 40 of 255 levels", exposure.noisy, 40),
        Change.of_shades("faint", "contrast reduced to a quarter", exposure.faint, 0.25),
        Change.of_shades("shaded", "strong uneven illumination from one corner", exposure.shaded),
        Change.of_shades("inverted", "negative", exposure.inverted, inverts=True),
        Change.of_shades("gamma-0.5", "grey values to the power of 0.5: brighter", exposure.corrected_by_gamma, 0.5),
        Change.of_shades("gamma-2", "grey values to the power of 2: darker", exposure.corrected_by_gamma, 2),
        Change.of_shades("jpeg-20", "JPEG of quality 20", exposure.compressed, 20),
        Change.of_shades("salt-pepper", "2 % of the pixels black or white", exposure.salted, 0.02),
        Change("scratched", "three scratches 2 pixels wide and a dot", partial(overprint.scratched, count=3)),
        Change("letters", "panel letter and a note burnt in", overprint.lettered),
        Change("scale-bar", "scale bar burnt in", overprint.scale_barred),
        Change("data-bar", "data bar of 5 to 10 % of the rows below", overprint.data_barred),
        Change("16-bit", "16-bit file that uses a sixteenth of the range", exposure.deep),
        Change("turned", "turned by 90 degrees", geometry.turned),
        Change("padded", "flat white or black border of 8 %", partial(geometry.padded, share=0.08)),
    )
}
"""Registry: a new change is a line here."""


def change_named(name: str) -> Change:
    """Look up a change; ConfigError when there is no such change."""
    if name not in CHANGES:
        raise ConfigError(f"no change {name!r} of micrographs; use some of: {', '.join(CHANGES)}")
    return CHANGES[name]


def changes_named(names: Sequence[str] | None) -> tuple[Change, ...]:
    """Look up changes by their names, each once; None gives all of them."""
    return tuple(CHANGES.values()) if names is None else tuple(change_named(name) for name in dict.fromkeys(names))


def apply_change(change: Change, labelled: LabelledMicrograph, name: str, seed: int = 0) -> LabelledMicrograph:
    """Change the image ``name`` of a dataset, always in the same way for the same names and (non-negative) seed."""
    rng = np.random.default_rng([seed, zlib.crc32(f"{change.name}/{name}".encode())])
    return change.apply(labelled, rng)
