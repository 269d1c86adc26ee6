"""What is drawn over crops: inside the image, and covered wherever something was drawn."""

import re
from collections.abc import Callable

import numpy as np
import pytest

from matcurate.pretraining.overprint import barred, lettered, scale_text, scratched, text_of

SHAPE = (64, 96)
Draw = Callable[[np.ndarray, np.random.Generator], np.ndarray]


@pytest.mark.parametrize("draw", [scratched, lettered, barred])
def test_what_is_drawn_is_covered_and_stays_in_range(draw: Draw) -> None:
    drawn = 0
    for seed in range(60):
        before = np.random.default_rng(seed).uniform(0.2, 0.8, SHAPE).astype(np.float32)
        grey = before.copy()
        covered = draw(grey, np.random.default_rng(seed))
        assert covered.shape == SHAPE and covered.dtype == np.bool_
        assert grey.min() >= 0 and grey.max() <= 1
        changed = grey != before
        assert not (changed & ~covered).any()
        drawn += bool(changed.any())
    assert drawn > 40


@pytest.mark.parametrize("draw", [scratched, lettered, barred])
def test_the_same_numbers_draw_the_same(draw: Draw) -> None:
    one, other = np.full((2, *SHAPE), 0.5, dtype=np.float32)
    assert np.array_equal(draw(one, np.random.default_rng(3)), draw(other, np.random.default_rng(3)))
    assert np.array_equal(one, other)


def test_a_bar_or_border_lies_along_the_edges() -> None:
    for seed in range(40):
        covered = barred(np.full(SHAPE, 0.5, dtype=np.float32), np.random.default_rng(seed))
        assert not covered[20:-20, 30:-30].any()
        rows, columns = covered.all(axis=1), covered.all(axis=0)
        assert np.array_equal(covered, rows[:, None] | columns)  # whole rows and columns


def test_texts_are_short_and_printable() -> None:
    rng = np.random.default_rng(0)
    texts = [text_of(rng) for _ in range(200)]
    assert all(0 < len(text) <= 12 and text.isprintable() for text in texts) and len(set(texts)) > 100
    assert all(re.fullmatch(r"[125]0{0,2} [unm]m", scale_text(rng)) for _ in range(50))
