"""Answers to prompts: on maps written by hand, and by the shipped weights on pictures and their changes."""

import cv2
import numpy as np
import pytest

from matcurate.promptable.builtin.maps import ObjectMaps
from matcurate.promptable.builtin.predictor import BuiltinBackbone, BuiltinPredictor, BuiltinSettings
from matcurate.promptable.builtin.regions import MEASURES
from matcurate.promptable.builtin.shipped import shipped
from matcurate.types import Candidate
from tests.unit.small_objects import iou, two_squares


class OfForeground:
    """Rates a region by its mean foreground, and halves that unless a box fits it."""

    def __init__(self, boxed: bool) -> None:
        self._boxed = boxed

    def rate(self, measured: np.ndarray) -> np.ndarray:
        assert measured.shape[1] == len(MEASURES) + self._boxed
        foreground = measured[:, MEASURES.index("foreground")].astype(float)
        return foreground * measured[:, -1] if self._boxed else foreground


class Quality:
    points, boxes = OfForeground(False), OfForeground(True)


def predictor(**settings: float) -> tuple[BuiltinPredictor, np.ndarray, np.ndarray]:
    maps, left, right = two_squares()
    return BuiltinPredictor(maps, Quality(), BuiltinSettings(**settings)), left, right  # type: ignore[arg-type]


def painted(candidates: tuple[Candidate, ...], shape: tuple[int, int] = (48, 80)) -> list[np.ndarray]:
    return [candidate.paint(shape) for candidate in candidates]


def test_a_point_is_answered_by_its_square_and_by_both() -> None:
    image, left, right = predictor(min_quality=0.5)
    (answer,) = image.predict(np.array([[[25.0, 20.0]]]), np.ones((1, 1), dtype=int))
    first, second = painted(answer)
    assert iou(first, left) > 0.8 and iou(second, left | right) > 0.8
    assert all(candidate.quality > 0.8 for candidate in answer)


def test_a_background_point_keeps_the_other_square_out() -> None:
    image, left, _ = predictor(min_quality=0.5)
    places = np.array([[[25.0, 20.0], [50.0, 20.0]]])
    (answer,) = image.predict(places, np.array([[1, 0]]))
    (only,) = painted(answer)
    assert iou(only, left) > 0.8
    (both,) = image.predict(places, np.array([[1, 1]]))
    assert [iou(mask, two_squares()[1] | two_squares()[2]) > 0.8 for mask in painted(both)] == [True]


def test_a_box_is_answered_by_what_fits_it_best() -> None:
    image, left, right = predictor(min_quality=0.5)
    one, both = image.predict_boxes(np.array([[40, 12, 64, 36], [16, 12, 64, 36]], dtype=float))
    best = [max(answer, key=lambda candidate: candidate.quality).paint((48, 80)) for answer in (one, both)]
    assert iou(best[0], right) > 0.8 and iou(best[1], left | right) > 0.8


def test_too_small_too_large_and_too_poor_regions_are_no_answers() -> None:
    point, kind = np.array([[[25.0, 20.0]]]), np.ones((1, 1), dtype=int)
    for settings, count in (
        ({"min_quality": 0.5, "min_area": 800}, 1),  # a square has 576 pixels
        ({"min_quality": 0.5, "max_share": 0.25}, 1),  # both have .3 of the image
        ({"min_quality": 0.99}, 0),
    ):
        assert len(predictor(**settings)[0].predict(point, kind)[0]) == count


def test_regions_are_the_good_ones_the_best_first() -> None:
    image, left, right = predictor()
    good = image.regions(0.5)
    assert len(good) == 3
    qualities = [candidate.quality for candidate in good]
    assert qualities == sorted(qualities, reverse=True) and min(qualities) >= 0.5
    for wanted in (left, right, left | right):
        assert max(iou(mask, wanted) for mask in painted(good)) > 0.8
    assert all(candidate.area < 48 * 80 for candidate in image.regions(0.0))  # the whole image is no answer


def test_an_image_of_one_pixel_has_no_regions() -> None:
    one = np.zeros((1, 1), dtype=np.float16)
    image = BuiltinPredictor(ObjectMaps(one, one, one, one), Quality())  # type: ignore[arg-type]
    assert image.regions(0.0) == ()
    assert image.predict(np.zeros((1, 1, 2)), np.ones((1, 1), dtype=int)) == [()]
    assert image.predict_boxes(np.array([[0, 0, 1, 1]], dtype=float)) == [()]


def test_an_image_without_borders_answers_nothing() -> None:
    same = np.zeros((6, 9), dtype=np.float16)
    image = BuiltinPredictor(ObjectMaps(same, same, same, same), Quality())  # type: ignore[arg-type]
    assert image.regions(0.0) == ()
    assert image.predict(np.array([[[3.0, 2.0]]]), np.ones((1, 1), dtype=int)) == [()]
    assert image.predict_boxes(np.array([[1, 1, 6, 5]], dtype=float)) == [()]


def test_the_digest_follows_weights_and_settings() -> None:
    backbone = shipped("cpu")
    other = BuiltinBackbone(backbone.weights, BuiltinSettings(min_area=9))
    assert backbone.digest == BuiltinBackbone(backbone.weights).digest != other.digest


SHAPE = (112, 176)
CENTRES = [(30, 32), (30, 88), (34, 144), (82, 32), (80, 88), (82, 144)]


def discs() -> tuple[np.ndarray, np.ndarray]:
    """Bright discs on dark noise, and where they are."""
    rows, columns = np.mgrid[: SHAPE[0], : SHAPE[1]]
    truth = np.any([np.hypot(rows - y, columns - x) < 14 for y, x in CENTRES], axis=0)
    return 60 + 100.0 * truth + np.random.default_rng(0).normal(0, 8, SHAPE), truth


CHANGES = {
    "plain": lambda grey: grey,
    "inverted": lambda grey: 255 - grey,
    "blurred": lambda grey: cv2.GaussianBlur(grey, (0, 0), 2.0),
    "noisy": lambda grey: grey + np.random.default_rng(1).normal(0, 20, grey.shape),
    "faint": lambda grey: 120 + 0.2 * (grey - 120),
    "enlarged": lambda grey: cv2.resize(grey, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC),
    "turned": lambda grey: np.ascontiguousarray(grey.T),
}


@pytest.mark.parametrize("change", CHANGES)
def test_discs_are_found_however_the_picture_is_changed(change: str) -> None:
    grey, truth = discs()
    truth = CHANGES[change](truth.astype(float)) if change in ("enlarged", "turned") else truth.astype(float)
    pixels, truth = CHANGES[change](grey).clip(0, 255).astype(np.uint8), truth > 0.5
    backbone = shipped("cpu")
    assert iou(backbone.maps(pixels).foreground > 0.5, truth) > 0.8
    image = backbone.open(pixels)
    y, x = np.array(CENTRES[4]) * (2 if change == "enlarged" else 1)
    x, y = (y, x) if change == "turned" else (x, y)
    radius = 28 if change == "enlarged" else 14
    rows, columns = np.indices(truth.shape)
    disc = np.hypot(rows - y, columns - x) < radius
    (clicked,) = image.predict(np.array([[[x, y]]], dtype=float), np.ones((1, 1), dtype=int))
    assert max(iou(mask, disc) for mask in painted(clicked, truth.shape)) > 0.75
    (boxed,) = image.predict_boxes(np.array([[x - radius, y - radius, x + radius, y + radius]], dtype=float))
    best = max(boxed, key=lambda candidate: candidate.quality)
    assert iou(best.paint(truth.shape), disc) > 0.75


def test_depth_in_bits_does_not_count() -> None:
    grey = discs()[0].clip(0, 255).astype(np.uint8)
    backbone = shipped("cpu")
    eight, sixteen = (backbone.maps(pixels).foreground for pixels in (grey, grey.astype(np.uint16) * 257))
    assert np.abs(eight.astype(float) - sixteen).max() < 0.02
