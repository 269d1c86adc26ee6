"""Small models and pictures for the tests of phases."""

import numpy as np
import torch

from matcurate.phase.lora import LoraSettings
from matcurate.phase.model import PhaseModel
from matcurate.phase.plm import PlmSettings
from matcurate.phase.samples import Picture
from matcurate.phase.unet import UNetSegmenter
from tests.unit.small_network import small_network


def small_model(phases=3, plm=True, seed=0, dropout=0.0):
    segmenter = UNetSegmenter(small_network(seed), phases, torch.Generator().manual_seed(seed))
    lora = LoraSettings(rank=2, dropout=dropout)
    return PhaseModel(segmenter, phases, lora, PlmSettings(hidden=8) if plm else None)


def striped(name="stripes", shape=(96, 160), seed=0):
    """Three phases by brightness, in vertical stripes, with noise."""
    labels = np.broadcast_to(np.arange(shape[1]) * 3 // shape[1], shape).astype(np.uint8)
    noise = np.random.default_rng(seed).normal(0, 0.02, shape)
    return Picture(name, (0.2 + 0.3 * labels + noise).clip(0, 1).astype(np.float32), labels.copy())
