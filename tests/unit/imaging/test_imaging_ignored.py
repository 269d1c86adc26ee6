"""The mask of what counts for nothing, and what is seen of the rest."""

import numpy as np

from matcurate.imaging.frame import Frame
from matcurate.imaging.ignored import (
    counted,
    find_ignored,
    frame_within,
    ignored_of,
    looked_at,
    spread_out,
    with_unknown,
)
from matcurate.imaging.metadata import Acquisition
from matcurate.imaging.micrograph import Micrograph
from matcurate.imaging.synth.databars import LAYOUTS, with_databar


def textured(height: int = 96, width: int = 160) -> np.ndarray:
    return np.random.default_rng(0).integers(40, 216, (height, width)).astype(np.uint8)


def test_nothing_is_ignored_of_a_plain_micrograph_and_what_the_file_states_is() -> None:
    pixels = textured()
    assert find_ignored(pixels) is None
    assert ignored_of(Micrograph(pixels, None, "a")) is None
    ignored = ignored_of(Micrograph(pixels, None, "a", acquisition=Acquisition(image_rows=90)))
    assert ignored is not None
    assert ignored[90:].all() and not ignored[:90].any()


def test_bar_and_border_together() -> None:
    pixels = np.full((300, 400), 255, dtype=np.uint8)
    pixels[:, 12:390] = textured(300, 378)
    barred = with_databar(pixels, LAYOUTS[5], nm_per_px=10.0)  # black, below
    ignored = find_ignored(barred.pixels)
    assert ignored is not None
    frame = frame_within(ignored, ignored.shape)
    assert (frame.top, frame.left, frame.right) == (0, 12, 390) and abs(frame.bottom - 300) <= 2


def test_models_see_the_frame_and_holes_are_filled_by_what_is_nearest() -> None:
    pixels = np.arange(48, dtype=np.uint8).reshape(6, 8)
    ignored = np.zeros((6, 8), dtype=np.bool_)
    ignored[4:] = True  # the bar
    ignored[1, 2] = True  # a hole
    assert frame_within(ignored, pixels.shape) == Frame(0, 0, 4, 8)
    seen = looked_at(pixels, ignored)
    assert seen.shape == (4, 8) and seen[1, 2] in (pixels[0, 2], pixels[2, 2], pixels[1, 1], pixels[1, 3])
    same = np.ones((4, 8), dtype=np.bool_)
    same[1, 2] = False
    assert np.array_equal(seen[same], pixels[:4][same])
    assert looked_at(pixels, None) is pixels
    whole = spread_out(np.ones((4, 8), dtype=np.float32), ignored)
    assert whole.shape == (6, 8) and whole.sum() == 31 and whole[1, 2] == 0
    assert len(counted(pixels, ignored)) == 31 and np.array_equal(counted(pixels, None), pixels)
    labels = with_unknown(np.ones((6, 8), dtype=np.uint8), ignored)
    assert (labels == 255).sum() == 17 and (labels == 1).sum() == 31
