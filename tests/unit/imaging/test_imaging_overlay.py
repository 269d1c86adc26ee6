"""Overlays: colours and outlines, pixel by pixel."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from matcurate.imaging.overlay import PHASE_COLOURS, outlines, overlay, write_overlay

PIXELS = np.full((96, 160), 100, np.uint8)
PHASES = np.zeros((96, 160), np.uint8)
PHASES[10:20, 30:60] = 1
PHASES[40:50, 30:60] = 2


def test_outside_stays_grey_inside_is_tinted_and_edges_are_pure() -> None:
    got = overlay(PIXELS, PHASES, colours=("#FF0000", "#0000FF"), tint=0.5)
    assert got.shape == (96, 160, 3) and got.dtype == np.uint8
    assert got[0, 0].tolist() == [100, 100, 100] and got[9, 40].tolist() == [100, 100, 100]
    assert got[15, 45].tolist() == [178, 50, 50]  # (100 + 255) / 2, rounded to even
    assert got[45, 45].tolist() == [50, 50, 178]
    for row, column in ((10, 30), (10, 45), (19, 45), (15, 30), (15, 59)):
        assert got[row, column].tolist() == [255, 0, 0]


def test_touching_instances_share_one_line_and_images_have_no_frame() -> None:
    instances = np.ones((96, 160), np.uint32)
    instances[:, 80:] = 70_000
    edge = outlines(instances)
    assert np.flatnonzero(edge.any(0)).tolist() == [80] and edge.sum() == 96
    got = overlay(PIXELS, np.ones_like(PHASES), instances, colours=("#00FF00",), tint=0)
    assert got[50, 80].tolist() == [0, 255, 0] and (got[:, 79] == 100).all() and (got[:, 81] == 100).all()


def test_outlines_do_not_fall_on_background() -> None:
    assert not (outlines(PHASES) & (PHASES == 0)).any()
    single = np.zeros((96, 160), np.uint8)
    single[5, 7] = 3
    np.testing.assert_array_equal(outlines(single), single > 0)


def test_colours_repeat_and_differ() -> None:
    assert len(set(PHASE_COLOURS)) == len(PHASE_COLOURS)
    again = overlay(PIXELS, np.where(PHASES == 1, len(PHASE_COLOURS) + 1, 0).astype(np.uint16))
    np.testing.assert_array_equal(again, overlay(PIXELS, (PHASES == 1).astype(np.uint8)))


def test_sizes_must_agree() -> None:
    with pytest.raises(ValueError, match="differ in size"):
        overlay(PIXELS, PHASES.T)


def test_written_overlays_are_what_overlay_draws(tmp_path: Path) -> None:
    write_overlay(tmp_path / "o.png", PIXELS, PHASES)
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "o.png")), overlay(PIXELS, PHASES))
