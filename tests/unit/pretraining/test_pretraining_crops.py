"""Crops and their targets."""

import numpy as np
import pytest
import torch

from matcurate.pretraining.crops import Crops, Labels, batches, crop_of, disturbed, targets_of
from matcurate.promptable.builtin.network import OUTPUTS
from matcurate.promptable.builtin.standard import SPREAD
from tests.unit.pretraining.pretraining_samples import augmentation, discs, mixture, recipe

FOREGROUND, CONTACT, BOUNDARY, DISTANCE = range(4)
EDGE = 12
NOTHING = np.zeros((EDGE, EDGE), dtype=bool)


def labels() -> Labels:
    """Objects 4 and 9 touch between columns 4 and 5; between those and object 2 lie three rows of matrix."""
    objects = np.zeros((EDGE, EDGE), dtype=np.int32)
    objects[1:6, 1:5], objects[1:6, 5:10], objects[9:12, 1:10] = 4, 9, 2
    depth = np.where(objects > 0, 0.75, 0.0).astype(np.float32)
    return Labels(objects, (objects > 0).astype(np.int8), depth)


def test_targets_by_hand() -> None:
    targets = targets_of(labels(), NOTHING, NOTHING)
    objects = labels().objects
    assert targets.shape == (len(OUTPUTS), EDGE, EDGE) and targets.dtype == np.float32
    assert np.array_equal(targets[FOREGROUND], objects > 0)
    assert np.array_equal(targets[DISTANCE], labels().distance)
    contact = np.zeros((EDGE, EDGE), dtype=bool)
    contact[1:6, 3:7] = True  # two pixels on each side; three rows away is no contact
    assert np.array_equal(targets[CONTACT], contact)
    assert targets[BOUNDARY, 3, 3:7].tolist() == [0, 1, 1, 0]
    assert targets[BOUNDARY, :3, 2].tolist() == [1, 1, 0] and targets[BOUNDARY, 8, 5] == 1
    assert targets[BOUNDARY, 11, 5] == 0  # the edge of the crop is no outline


def test_objects_with_one_pixel_of_matrix_between_them_are_in_contact() -> None:
    objects = np.zeros((EDGE, EDGE), dtype=np.int32)
    objects[2:9, 1:5], objects[2:9, 6:10] = 1, 2
    contact = targets_of(Labels(objects, (objects > 0).astype(np.int8), objects * 0.0), NOTHING, NOTHING)[CONTACT]
    assert contact[5].tolist() == [0, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0, 0]


def test_what_is_covered_is_no_object_and_what_is_hidden_is_unknown() -> None:
    covered, hidden = NOTHING.copy(), NOTHING.copy()
    covered[2:5, 2:7], hidden[:, 8] = True, True
    targets = targets_of(labels(), covered, hidden)
    assert not targets[:, 2:5, 2:7].any()
    assert (targets[:, :, 8] == -1).all()
    assert targets[FOREGROUND, 1, 1] == 1 and (targets[:, :, :8] >= 0).all()


def test_an_unknown_foreground_stays_unknown_under_letters() -> None:
    known = labels()
    unknown = Labels(known.objects, np.full((EDGE, EDGE), -1, dtype=np.int8), known.distance)
    covered = NOTHING.copy()
    covered[2:5, 2:7] = True
    targets = targets_of(unknown, covered, NOTHING)
    assert (targets[FOREGROUND] == -1).all()
    assert not targets[BOUNDARY:, 2:5, 2:7].any() and targets[BOUNDARY].any()


@pytest.mark.parametrize("seed", range(8))
def test_a_crop_of_the_whole_picture_is_turned_and_reflected_only(seed: int) -> None:
    picture = discs()
    grey, cut = crop_of(picture, 96, augmentation(), np.random.default_rng(seed))
    for values, whole in ((grey, picture.grey / 255), (cut.objects, picture.objects), (cut.distance, picture.distance)):
        turns = [np.rot90(each, turn) for each in (whole, whole[:, ::-1]) for turn in range(4)]
        assert any(np.allclose(values, each, atol=1e-5) for each in turns)
    assert np.array_equal(cut.foreground, cut.objects > 0)


@pytest.mark.parametrize("scale", [0.5, 1.0, 2.0])
def test_ids_stay_whole_and_labels_follow_the_grey_levels(scale: float) -> None:
    picture = discs()
    for seed in range(6):
        rng = np.random.default_rng(seed)
        grey, cut = crop_of(picture, 64, augmentation(scale=(scale, scale), rotation=1), rng)
        assert grey.shape == cut.objects.shape == cut.foreground.shape == cut.distance.shape == (64, 64)
        assert grey.min() >= 0 and grey.max() <= 1 and 0 <= cut.distance.min() and cut.distance.max() <= 1
        assert set(np.unique(cut.objects)) <= {0, 1, 2, 700}
        assert np.array_equal(cut.foreground, cut.objects > 0)
        assert np.mean((grey > 0.5) != (cut.objects > 0)) < 0.05
        assert np.mean((cut.distance > 0.05) != (cut.objects > 0)) < 0.08


def test_magnified_twice_an_object_covers_four_times_as_much() -> None:
    picture = discs()
    area = np.count_nonzero(picture.objects == 700)
    largest = 0
    for seed in range(30):
        _, cut = crop_of(picture, 64, augmentation(scale=(2, 2)), np.random.default_rng(seed))
        largest = max(largest, np.count_nonzero(cut.objects == 700))
    assert largest == pytest.approx(4 * area, rel=0.1)


def test_a_native_crop_is_a_part_of_the_picture_pixel_for_pixel() -> None:
    picture = discs()
    windows = np.lib.stride_tricks.sliding_window_view(picture.grey, (64, 64)).reshape(-1, 64, 64)
    for seed in range(3):
        grey, _ = crop_of(picture, 64, augmentation(native=1, rotation=1, scale=(3, 3)), np.random.default_rng(seed))
        levels = np.rint(grey * 255)
        turned = [np.rot90(cut, turn) for cut in (levels, levels[:, ::-1]) for turn in range(4)]
        assert any((windows == cut).all(axis=(1, 2)).any() for cut in turned)


@pytest.mark.parametrize("seed", range(4))
def test_a_drawing_has_one_grey_level_for_objects_and_one_for_the_matrix(seed: int) -> None:
    grey, cut = crop_of(discs(), 64, augmentation(drawn=1), np.random.default_rng(seed))
    inside = cut.objects > 0
    assert np.ptp(grey[inside]) == 0 == np.ptp(grey[~inside])
    assert grey[inside][0] > grey[~inside][0]  # bright objects stay bright


def grey_crop() -> np.ndarray:
    return (discs().grey[:64, :64] / 255).astype(np.float32)


def test_without_any_chance_nothing_is_disturbed() -> None:
    grey, covered, hidden = disturbed(grey_crop(), augmentation(), np.random.default_rng(0))
    assert np.allclose(grey, grey_crop(), atol=1e-6) and not covered.any() and not hidden.any()


def test_letters_cover_and_hide_two_pixels_around_them() -> None:
    drawn = 0
    for seed in range(12):
        grey, covered, hidden = disturbed(grey_crop(), augmentation(lettered=1), np.random.default_rng(seed))
        changed = np.abs(grey - grey_crop()) > 1e-6
        assert not (changed & ~covered).any() and not (covered & hidden).any()
        rows, columns = np.nonzero(covered)
        for row, column in zip(*np.nonzero(hidden), strict=True):
            assert np.maximum(abs(rows - row), abs(columns - column)).min() <= 2
        drawn += covered.any() and hidden.any()
    assert drawn > 6


def test_scratches_hide_what_is_under_them() -> None:
    grey, covered, hidden = disturbed(grey_crop(), augmentation(scratched=1), np.random.default_rng(1))
    changed = np.abs(grey - grey_crop()) > 1e-6
    assert changed.any() and not (changed & ~hidden).any() and not covered.any()


@pytest.mark.parametrize(
    "chance",
    ["blurred", "noisy", "faint", "inverted", "shaded", "compressed", "peppered", "scratched", "lettered", "barred"],
)
def test_each_disturbance_changes_the_crop_and_leaves_the_original(chance: str) -> None:
    crop = grey_crop()
    changed = [disturbed(crop, augmentation(**{chance: 1}), np.random.default_rng(seed))[0] for seed in range(4)]
    assert np.array_equal(crop, grey_crop())
    assert all(grey.dtype == np.float32 and grey.shape == crop.shape for grey in changed)
    assert any(np.abs(grey - crop).mean() > 1e-4 for grey in changed)
    assert all(np.isfinite(grey).all() and grey.min() >= 0 and grey.max() <= 1 for grey in changed)


def test_a_batch_depends_on_seed_and_step_alone() -> None:
    settings = recipe(steps=6)
    crops = Crops(mixture(), settings, 3)
    assert len(crops) == 6
    one, again = crops[4], Crops(mixture(), settings, 3)[4]
    assert torch.equal(one.images, again.images) and torch.equal(one.targets, again.targets)
    assert one.images.shape == (2, 1, 64, 64) and one.targets.shape == (2, 4, 64, 64)
    assert one.sources.tolist() == [0, 0]
    assert one.images.std(dim=(1, 2, 3)).tolist() == pytest.approx([SPREAD] * 2, rel=0.01)
    assert not torch.equal(one.images, crops[5].images)
    assert not torch.equal(one.images, Crops(mixture(), settings, 4)[4].images)


def test_batches_come_in_order_from_any_step_on() -> None:
    settings = recipe(steps=5)
    coming = list(batches(mixture(), settings, 0, 3))
    crops = Crops(mixture(), settings, 0)
    assert [torch.equal(batch.images, crops[step].images) for batch, step in zip(coming, (3, 4), strict=True)] == [
        True,
        True,
    ]
    assert list(batches(mixture(), settings, 0, 5)) == []
