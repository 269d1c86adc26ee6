"""What is printed over figures: where, and that nothing else changes."""

import numpy as np
import pytest
from scipy import ndimage

from matcurate.imaging.synth.annotations import (
    annotate,
    blank_sheet,
    print_arrows,
    print_border,
    print_data_bar,
    print_inset,
    print_label,
    print_letter,
    print_scale_bar,
)

SIZE = (120, 200)
ANNOTATIONS = (print_letter, print_label, print_scale_bar, print_arrows, print_data_bar, print_border, print_inset)


def printed(annotation: object, seed: int, size: tuple[int, int] = SIZE) -> np.ndarray:
    sheet = blank_sheet(size)
    annotation(np.random.default_rng(seed), sheet)  # type: ignore[operator]
    return sheet


@pytest.mark.parametrize("annotation", [*ANNOTATIONS, annotate])
@pytest.mark.parametrize("size", [SIZE, (16, 23), (300, 70)])
def test_every_annotation_prints_grey_levels_on_a_part_of_any_sheet(annotation: object, size: tuple[int, int]) -> None:
    shares = []
    for seed in range(6):
        sheet = printed(annotation, seed, size)
        ink = sheet[~np.isnan(sheet)]
        shares.append(ink.size / sheet.size)
        assert sheet.shape == size and ink.size > 0 and ink.min() >= 0 and ink.max() <= 1
        np.testing.assert_array_equal(sheet, printed(annotation, seed, size))
    assert np.mean(shares) < 0.5
    if size == SIZE and annotation is not annotate:
        assert np.mean(shares) < 0.25


def test_a_blank_sheet_is_blank() -> None:
    assert np.isnan(blank_sheet(SIZE)).all()


def test_a_scale_bar_is_a_level_stroke_near_the_foot() -> None:
    for seed in range(10):
        rows, columns = np.nonzero(~np.isnan(printed(print_scale_bar, seed)))
        assert rows.min() > SIZE[0] / 2
        lengths = [np.ptp(columns[rows == row]) + 1 for row in np.unique(rows)]
        assert 0.07 * SIZE[1] < max(lengths) < 0.5 * SIZE[1]


def test_letters_stand_in_a_corner_and_are_no_single_stroke() -> None:
    for seed in range(10):
        ink = ~np.isnan(printed(print_letter, seed))
        rows, columns = np.nonzero(ink)
        assert (rows.max() < SIZE[0] / 2 or rows.min() > SIZE[0] / 2) and np.ptp(columns) < SIZE[1] / 2
        assert 5 <= np.ptp(rows) + 1 <= 40


def test_a_data_bar_fills_the_foot_from_side_to_side() -> None:
    sheet = printed(print_data_bar, 1)
    rows = np.flatnonzero(~np.isnan(sheet).any(axis=1))
    assert rows[-1] == SIZE[0] - 1 and 5 <= len(rows) <= 40 and np.isnan(sheet[: rows[0]]).all()
    assert len(np.unique(sheet[rows])) > 1


def test_arrows_are_few() -> None:
    counts = {ndimage.label(~np.isnan(printed(print_arrows, seed)), np.ones((3, 3)))[1] for seed in range(12)}
    assert counts <= {1, 2, 3}
