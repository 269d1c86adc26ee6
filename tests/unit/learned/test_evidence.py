"""A head of evidence on a phase model: fitted, kept, and measured."""

import numpy as np
import pytest
import torch

from matcurate.errors import CheckpointError
from matcurate.learned.evidence import Calibration, PredictionWithVacuity, fit_evidence, predict_with_vacuity
from matcurate.phase.inference import phase_shares
from matcurate.phase.lora import LoraSettings
from matcurate.phase.model import PhaseModel
from matcurate.phase.ratios import no_ratio
from matcurate.phase.samples import Picture
from matcurate.phase.unet import UNetSegmenter
from matcurate.uncertainty.pixels import PixelSettings
from matcurate.uncertainty.storage import load_pixel_head, save_pixel_head
from tests.unit.small_network import small_network

CLASSES = ("matrix", "phase")
SETTINGS = PixelSettings(hidden=16, pixels=1500, steps=80, batch=128, learning_rate=0.01)


def halves(step: float = 0.5, seed: int = 0) -> Picture:
    """Phase 1 in the brighter right part of 60 x 100 pixels."""
    labels = np.zeros((60, 100), np.uint8)
    labels[:, 64:] = 1
    noise = np.random.default_rng(seed).normal(0, 0.02, labels.shape)
    return Picture("halves", (0.2 + step * labels + noise).clip(0, 1).astype(np.float32), labels)


@pytest.fixture(scope="module")
def model() -> PhaseModel:
    segmenter = UNetSegmenter(small_network(), 2, torch.Generator().manual_seed(0))
    return PhaseModel(segmenter, 2, LoraSettings(rank=2), None).eval()


@pytest.fixture(scope="module")
def head(model):
    return fit_evidence(model, [halves()], CLASSES, 0, SETTINGS)


def test_the_phases_are_the_models_and_the_unknown_has_little_evidence(model, head):
    known, noise = halves(seed=1), np.random.default_rng(5).random((60, 100)).astype(np.float32)
    prediction = predict_with_vacuity(model, head, known.grey, no_ratio(2))
    assert prediction.vacuity.shape == (60, 100)
    np.testing.assert_allclose(prediction.shares, phase_shares(model, known.grey, no_ratio(2)), atol=1e-6)
    strange = predict_with_vacuity(model, head, noise, no_ratio(2))
    assert prediction.vacuity.mean() < 0.3
    assert strange.vacuity.mean() > 2 * prediction.vacuity.mean()


def test_the_same_seed_gives_the_same_head(model, head):
    again, other = (fit_evidence(model, [halves()], CLASSES, seed, SETTINGS) for seed in (0, 1))
    assert torch.equal(again.last.weight, head.last.weight)
    assert not torch.equal(other.last.weight, head.last.weight)


def test_a_head_is_kept_with_the_model_it_belongs_to(model, head, tmp_path):
    path, digest = tmp_path / "evidence.safetensors", "ab" * 32
    card = save_pixel_head(path, head, digest, {"lab": "north"})
    assert card.classes == CLASSES and card.notes == {"lab": "north"}
    stored = load_pixel_head(path, digest)
    grey = halves(seed=2).grey
    before, after = (predict_with_vacuity(model, each, grey, no_ratio(2)).vacuity for each in (head, stored))
    np.testing.assert_array_equal(before, after)
    with pytest.raises(CheckpointError, match="belongs to the model abababababab"):
        load_pixel_head(path, "cd" * 32)
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(CheckpointError, match="not a whole safetensors file"):
        load_pixel_head(path, digest)


def test_calibration_counts_errors_against_vacuity():
    # 15 x 20 pixels, looked at in every fifth row and column from the third on: 3 x 4 of them, two of them wrong.
    truth = np.zeros((15, 20), np.uint8)
    truth[2, 2] = truth[7, 12] = 1
    shares = np.stack([np.full((15, 20), 0.9), np.full((15, 20), 0.1)]).astype(np.float32)
    vacuity = np.full((15, 20), 0.1, np.float32)
    vacuity[2, 2], vacuity[7, 12], vacuity[12, 17] = 0.8, 0.6, 0.7
    calibration = Calibration()
    calibration.add(PredictionWithVacuity(shares, vacuity), truth)
    found = calibration.result()
    assert found.samples == 12 and found.accuracy == pytest.approx(10 / 12)
    assert found.ece == pytest.approx(0.9 - 10 / 12, abs=1e-6)
    # Of 2 x 10 pairs of an error and a right answer, one has the right answer less certain.
    assert found.error_auroc == pytest.approx(19 / 20)
