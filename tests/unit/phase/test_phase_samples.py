import numpy as np
import pytest
import torch
from pydantic import ValidationError

from matcurate.phase.augment import Augmentation, augmented, cut
from matcurate.phase.ratios import guessed_ratio
from matcurate.phase.samples import Picture, Sampler, SamplingSettings, picture, resized, scaled_shape
from matcurate.promptable.builtin.standard import SPREAD
from tests.unit.phase.phase_samples import small_model, striped

STILL = Augmentation(flip=0, upside_down=0, rotation=0, scale=(1, 1), intensity=(1, 1), gamma=(1, 1), contrast=(1, 1))
GREY = np.random.default_rng(1).random((96, 160), dtype=np.float32)
LABELS = (GREY * 255).astype(np.uint8)


def rng():
    return np.random.default_rng(0)


def test_a_crop_that_is_not_changed_is_a_part_of_the_picture():
    grey, labels = cut(GREY, LABELS, (50, 70), 32, STILL, rng())
    assert np.array_equal(grey, GREY[34:66, 54:86]) and np.array_equal(labels, LABELS[34:66, 54:86])
    assert torch.allclose(augmented(grey, STILL, rng()), grey, atol=1e-6)


@pytest.mark.parametrize(("centre", "corner"), [((0, 0), (0, 0)), ((95, 159), (64, 128)), ((95, 0), (64, 0))])
def test_crops_at_the_border_move_inside(centre, corner):
    grey, _ = cut(GREY, LABELS, centre, 32, STILL, rng())
    top, left = corner
    assert np.array_equal(grey, GREY[top : top + 32, left : left + 32])


def test_a_small_picture_is_reflected():
    grey, _ = cut(GREY[:3, :1], LABELS[:3, :1], (1, 0), 5, STILL, rng())
    assert np.array_equal(grey[:, 0], GREY[[1, 0, 1, 2, 1], 0])


def test_labels_travel_with_their_pixels():
    """Labels that are the grey values themselves stay those, whatever is turned, scaled and flipped."""
    smooth = np.add.outer(np.arange(96), np.arange(160)).astype(np.float32) / 255
    options = STILL.model_copy(update={"rotation": 180.0, "scale": (0.7, 1.4), "flip": 0.5, "upside_down": 0.5})
    draw = rng()
    for _ in range(8):
        grey, labels = cut(smooth, np.round(smooth * 255).astype(np.uint8), (48, 80), 24, options, draw)
        assert (grey * 255 - labels).abs().max() < 3


def test_grey_values_change_as_drawn():
    grey = torch.tensor([[0.2, 0.6]])
    assert augmented(grey, STILL.model_copy(update={"intensity": (0.5, 0.5)}), rng())[0].tolist() == pytest.approx(
        [0.1, 0.3]
    )
    assert augmented(grey, STILL.model_copy(update={"gamma": (2, 2)}), rng())[0].tolist() == pytest.approx([0.04, 0.36])
    assert augmented(grey, STILL.model_copy(update={"contrast": (0.5, 0.5)}), rng())[0].tolist() == pytest.approx(
        [0.3, 0.5]
    )


def sampler(**settings):
    options = SamplingSettings(crop=32, batch=6, **settings)
    return Sampler([striped(), striped("more", seed=1)], 3, options, small_model().segmenter)


def test_a_picture_made_smaller_keeps_its_phases_in_place():
    half = resized(striped(shape=(96, 150)), 0.5)
    assert half.grey.shape == half.labels.shape == (48, 75)
    assert np.array_equal(half.labels, np.broadcast_to(np.arange(75) // 25, (48, 75)))
    assert np.abs(half.grey - (0.2 + 0.3 * half.labels)).mean() < 0.02
    assert resized(half, 1.0) is half and scaled_shape((3, 1), 0.25) == [1, 1]


def test_a_model_at_half_the_size_learns_from_crops_of_that_size():
    made = striped(shape=(96, 150))
    options = SamplingSettings(crop=48, batch=4, augmentation=STILL)
    half = Sampler([made], 3, options, small_model().segmenter, 0.5).batch(0, 0)
    # 48 of 75 columns show two stripes of 25 or more, which at the whole size one crop does not.
    assert all(len(torch.unique(labels)) >= 2 for labels in half.labels)


def test_a_step_draws_the_same_and_another_step_something_else():
    first, again, other = sampler().batch(0, 3), sampler().batch(0, 3), sampler().batch(0, 4)
    assert torch.equal(first.images, again.images) and torch.equal(first.labels, again.labels)
    assert torch.equal(first.ratios, again.ratios) and not torch.equal(first.images, other.images)


def test_told_ratios_are_those_of_the_crops():
    batch = sampler(ratio_dropout=0).batch(0, 0)
    for labels, ratio in zip(batch.labels, batch.ratios, strict=True):
        assert ratio.tolist() == pytest.approx([(labels == phase).float().mean().item() for phase in range(3)])


def test_the_ratio_of_the_whole_picture_is_told_with_its_crops():
    batch = sampler(ratio_dropout=0, ratio_of_picture=1).batch(0, 0)
    third = torch.tensor([54 / 160, 53 / 160, 53 / 160])  # columns of the stripes
    assert torch.allclose(batch.ratios, third.expand(6, 3))


def test_ratios_are_dropped_or_guessed_as_set():
    assert sampler(ratio_dropout=1).batch(0, 0).ratios.abs().max() == 0
    exact = sampler(ratio_dropout=0).batch(0, 0).ratios
    guessed = sampler(ratio_dropout=0, ratio_accuracy=(0.9, 0.9)).batch(0, 0).ratios
    for each, guess in zip(exact, guessed, strict=True):
        assert guess.tolist() == pytest.approx(guessed_ratio(each.double().numpy(), 0.9), abs=1e-6)


def test_images_are_in_units_of_the_whole_micrograph():
    """A crop of the bright stripe stays bright: it is not normalised by itself."""
    made = striped()
    batch = Sampler([made], 3, SamplingSettings(crop=16, batch=8, augmentation=STILL), small_model().segmenter).batch(
        0, 0
    )
    expected = SPREAD * (0.2 + 0.3 * batch.labels - made.grey.mean()) / made.grey.std()
    assert (batch.images[:, 0] - expected).abs().max() < 0.5 * SPREAD


def test_rare_phases_are_drawn_when_centred():
    labels = np.zeros((96, 160), np.uint8)
    labels[10, 20] = 1
    rare = Picture("rare", np.zeros((96, 160), np.float32), labels)
    made = Sampler([rare], 2, SamplingSettings(crop=16, batch=40, centred=1.0), small_model().segmenter)
    assert 10 <= sum(bool((each == 1).any()) for each in made.batch(0, 0).labels) <= 30


def test_what_cannot_be_learned_from_is_refused():
    with pytest.raises(ValueError, match="one \\(H, W\\)"):
        Picture("a", GREY, LABELS[:3])
    with pytest.raises(ValueError, match="finite"):
        Picture("a", np.full((2, 3), np.inf, np.float32), np.zeros((2, 3), np.uint8))
    with pytest.raises(ValueError, match="254 is the largest"):
        picture("a", np.zeros((2, 3), np.uint8), np.full((2, 3), 300, np.uint16))
    with pytest.raises(ValueError, match="at least one"):
        Sampler([], 3, SamplingSettings(), small_model().segmenter)
    with pytest.raises(ValidationError, match="scale"):
        Augmentation(scale=(2, 1))
