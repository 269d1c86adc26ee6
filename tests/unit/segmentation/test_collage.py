"""Collages of textures that are constant, so that every pixel says which class it came from."""

import numpy as np
import pytest
from pydantic import ValidationError
from skimage.morphology import convex_hull_image

from matcurate.segmentation.collage import Collages, CollageSettings, layout

SIZE = (48, 80)


def constant(classes, shape=(200, 150)):
    """Class k is an image of grey value k / 10, and one of the same value that is smaller than a collage."""
    return [[np.full(shape, k / 10, np.float32), np.full((9, 7), k / 10, np.float32)] for k in range(classes)]


def collages(classes=7, **settings):
    return Collages(constant(classes), CollageSettings(size=SIZE, **settings))


@pytest.mark.parametrize("curved", [0.0, 1.0])
def test_the_mask_is_exact_to_the_pixel(curved):
    for index in range(20):
        made = collages(curved=curved).collage(3, index)
        assert made.grey.shape == made.labels.shape == SIZE
        np.testing.assert_allclose(made.grey, made.labels / 10, atol=1e-6)


def test_a_number_gives_the_same_collage_in_any_order():
    series = [collages().collage(1, index) for index in range(5)]
    again = collages().collage(1, 3)
    np.testing.assert_array_equal(series[3].labels, again.labels)
    np.testing.assert_array_equal(series[3].grey, again.grey)
    for other in (collages().collage(1, 4), collages().collage(2, 3)):
        assert (other.labels != again.labels).any()


def test_classes_come_equally_often_and_regions_as_many_as_asked():
    made = [np.unique(collages(regions=(2, 4)).collage(0, index).labels) for index in range(300)]
    assert {len(classes) for classes in made} == {2, 3, 4}
    counts = np.bincount(np.concatenate(made), minlength=7)
    assert counts.min() > 0.8 * counts.mean()
    assert [len(np.unique(collages(2).collage(0, index).labels)) for index in range(4)] == [2] * 4  # no more than are
    assert not collages(1).collage(0, 0).labels.any()


def test_straight_borders_enclose_convex_areas_and_curved_ones_do_not():
    """Nearest points divide a plane into convex polygons."""

    def hollow(bend, seed):
        areas = layout(SIZE, 4, bend, np.random.default_rng(seed))
        assert set(np.unique(areas)) == {0, 1, 2, 3}
        return sum((convex_hull_image(areas == number) & (areas != number)).mean() for number in range(4))

    assert max(hollow(0.0, seed) for seed in range(6)) < 0.04  # the hull of pixels takes in some of their corners
    assert min(hollow(0.1, seed) for seed in range(6)) > 0.06


def test_patches_are_turned_mirrored_and_enlarged_by_at_most_a_tenth():
    """A ramp of one grey step for each pixel: its gradient tells the angle and the scale of a patch."""
    ramp = np.broadcast_to(np.arange(400, dtype=np.float32), (400, 400)).copy()
    one = Collages([[ramp]], CollageSettings(size=SIZE, regions=(1, 1)))
    gradients = [[float(part.mean()) for part in np.gradient(one.collage(0, index).grey)] for index in range(60)]
    steps, angles = np.hypot(*np.transpose(gradients)), np.arctan2(*np.transpose(gradients))
    assert 1 / 1.1 - 1e-3 <= steps.min() < 0.93 and 0.98 < steps.max() <= 1 + 1e-3
    assert len({int(turn // (np.pi / 2)) for turn in angles}) == 4
    upright = CollageSettings(size=SIZE, regions=(1, 1), rotation=0, flip=0, scale=(1, 1))
    patch = Collages([[ramp]], upright).collage(0, 0).grey
    np.testing.assert_allclose(np.diff(patch, axis=1), 1, atol=1e-3)
    np.testing.assert_allclose(np.diff(patch, axis=0), 0, atol=1e-3)


def test_what_makes_no_collage_is_refused():
    for textures in ([], [[]], [[np.zeros((0, 4), np.float32)]], [[np.full((4, 4), np.nan, np.float32)]]):
        with pytest.raises(ValueError, match="class"):
            Collages(textures, CollageSettings())
    for bad in ({"size": (4, 64)}, {"regions": (3, 2)}, {"regions": (0, 2)}, {"scale": (1.1, 1.0)}, {"colour": 1}):
        with pytest.raises(ValidationError):
            CollageSettings.model_validate(bad)
