"""Evidence for every pixel: a small perceptron on the features of a segmentation model.

It takes the features of all levels at once (hypercolumns), and leaves the segmentation itself as it is.

References
----------
B. Hariharan, P. Arbeláez, R. Girshick, J. Malik, "Hypercolumns for object segmentation and fine-grained localization",
CVPR (2015): perceptrons on interpolated features; since both are linear, features are weighed first, interpolated then.
M. Sensoy, L. Kaplan, M. Kandemir, "Evidential deep learning to quantify classification uncertainty", NeurIPS (2018).
Y. Gal, Z. Ghahramani, "Dropout as a Bayesian approximation", ICML (2016): draws.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from matcurate.config import Strict
from matcurate.types import FloatArray, LabelMap
from matcurate.uncertainty.loss import EvidenceSettings, dirichlet_parameters
from matcurate.uncertainty.trainer import EvidenceModel, HeadTraining, train_head

Size = tuple[int, int]


class PixelSettings(Strict):
    """Shape and training of a pixel head; stored with the weights."""

    hidden: int = Field(default=64, ge=1, description="Number of units in the hidden layer.")
    dropout: float = Field(
        default=0.2,
        ge=0,
        lt=1,
        description="Dropout probability of hidden units, in training and for Monte Carlo draws.",
    )
    pixels: int = Field(default=4000, ge=1, description="Number of training pixels drawn from every micrograph.")
    balance: float = Field(
        default=0.5, ge=0, le=1, description="Power of the inverse frequency of its phase by which a pixel is drawn."
    )
    evidence: EvidenceSettings = EvidenceSettings(penalty=0.1)
    steps: int = Field(
        default=300, ge=2, description="Approximate number of training steps; the KL penalty grows in the first half."
    )
    batch: int = Field(default=512, ge=1, description="Number of pixels in one training step.")
    learning_rate: float = Field(default=0.004, gt=0, description="Initial learning rate.")


class PixelHead(EvidenceModel):
    """Logits of evidence for hypercolumns of D numbers.

    ``widths`` are the channels of the maps that it takes, with sum D; ``classes`` the names of the K phases by id.
    """

    centre: Tensor
    scale: Tensor

    def __init__(
        self, widths: Sequence[int], classes: Sequence[str], settings: PixelSettings, generator: torch.Generator
    ) -> None:
        super().__init__()
        self.widths, self.classes = tuple(widths), tuple(classes)
        self.settings, self.evidence = settings, settings.evidence
        self.register_buffer("centre", torch.zeros(sum(widths)))
        self.register_buffer("scale", torch.ones(sum(widths)))
        self.first = nn.Linear(sum(widths), settings.hidden)
        self.last = nn.Linear(settings.hidden, len(classes))
        with torch.no_grad():
            for layer in (self.first, self.last):
                layer.weight.normal_(std=(2 / layer.in_features) ** 0.5, generator=generator)
                layer.bias.zero_()

    def standardise(self, features: Tensor) -> None:
        """Take over mean and deviation of features (N, D); what does not vary counts nothing."""
        deviation, mean = torch.std_mean(features, dim=0, correction=0)
        self.centre.copy_(mean)
        self.scale.copy_(torch.where(deviation > 1e-6, deviation, torch.inf))

    def whitened(self, samples: Tensor) -> Tensor:
        """Standardised hypercolumns (N, D)."""
        return (samples - self.centre) / self.scale

    def logits(self, whitened: Tensor) -> Tensor:
        """Logits (N, K) of standardised hypercolumns (N, D)."""
        return self._answer(self.first(whitened))

    def hidden_of(self, maps: Sequence[Tensor], span: Size, shape: Size) -> Tensor:
        """Input of the hidden units, (B, H, W, hidden), from maps (B, C, h, w) that span ``span`` (H', W') pixels.

        It is computed for the first ``shape`` (H, W) of them. Raises ValueError when the maps have other channels than
        the head was made for.
        """
        weights, shift = self._folded(maps)
        parts = [
            _enlarged(functional.conv2d(level, weight[:, :, None, None]), span)[..., : shape[0], : shape[1]]
            for level, weight in zip(maps, torch.split(weights, list(self.widths), dim=1), strict=True)
        ]
        return (sum(parts[1:], parts[0]) + shift[:, None, None]).movedim(1, -1)

    def parameters_from(self, hidden: Tensor) -> Tensor:
        """Dirichlet parameters α (B, K, H, W) that follow from :meth:`hidden_of`."""
        return dirichlet_parameters(self._answer(hidden).movedim(-1, 1), self.settings.evidence.bound)

    def drawn_parameters(self, hidden: Tensor, kept: Tensor) -> Tensor:
        """Dirichlet parameters α (T, B, H, W, K) of T passes with dropout, from :meth:`hidden_of` and masks.

        Each pass is one network, the same for all pixels: hidden units are left out by ``kept`` (T, hidden).
        """
        active = functional.relu(hidden)
        passes = [functional.linear(active, self.last.weight * mask, self.last.bias) for mask in kept]
        return dirichlet_parameters(torch.stack(passes), self.settings.evidence.bound)

    def dropout_masks(self, count: int) -> Tensor:
        """Masks (count, hidden): 0 for a unit that is left out, else 1 / (1 - dropout). Always the same ones."""
        share = 1 - self.settings.dropout
        generator = torch.Generator().manual_seed(0)
        kept = torch.rand(count, self.settings.hidden, generator=generator) < share
        return (kept / share).to(self.last.weight)

    def _folded(self, maps: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """First layer with the standardisation in it: weights (hidden, D) and shift (hidden,)."""
        given = tuple(level.shape[1] for level in maps)
        if given != self.widths:
            raise ValueError(f"maps have {given} channels, the head was made for {self.widths}")
        weights = self.first.weight / self.scale
        return weights, self.first.bias - weights @ self.centre

    def _answer(self, hidden: Tensor) -> Tensor:
        active = functional.dropout(functional.relu(hidden), self.settings.dropout, self.training)
        answer: Tensor = self.last(active)
        return answer


def fit_pixel_head(
    features: FloatArray,
    labels: NDArray[np.integer],
    widths: Sequence[int],
    classes: Sequence[str],
    settings: PixelSettings,
    seed: int,
) -> PixelHead:
    """Train a head on hypercolumns (N, D) of pixels with phases ``labels`` (N,) in 0 … K - 1; not every one must occur.

    ``widths`` are the channels of the maps, with sum D. Raises ValueError
    when lengths differ, there is nothing, or a label is no class; TrainingError when the loss is not finite.
    """
    epochs = max(2, round(settings.steps * settings.batch / max(1, len(labels))))
    growing = settings.evidence.model_copy(update={"annealing": epochs // 2})
    head = PixelHead(
        widths, classes, settings.model_copy(update={"evidence": growing}), torch.Generator().manual_seed(seed)
    )
    head.standardise(torch.from_numpy(features.astype(np.float32)))
    training = HeadTraining(epochs=epochs, batch=settings.batch, learning_rate=settings.learning_rate)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        train_head(head, features, labels, training, rng=np.random.default_rng(seed))
    return head


def features_at(maps: Sequence[Tensor], span: Size, rows: Tensor, columns: Tensor) -> Tensor:
    """Hypercolumns (N, D) of pixels (N,) of one image, from its maps (1, C, h, w) that span (H', W') pixels.

    The same numbers as of the maps enlarged bilinearly, without enlarging them.
    """
    sides = torch.tensor([span[1], span[0]], device=maps[0].device)
    positions = (torch.stack([columns, rows], dim=-1).to(maps[0]) + 0.5) * 2 / sides - 1
    features = [
        functional.grid_sample(level, positions[None, None], padding_mode="border", align_corners=False)[0, :, 0]
        for level in maps
    ]
    return torch.cat(features).T


def drawn_pixels(labels: LabelMap, count: int, balance: float, rng: np.random.Generator) -> NDArray[np.int64]:
    """Flat indices (count,) of pixels of phase ids (H, W), drawn by the inverse frequency of their phase ** balance.

    With replacement, so that a rare phase of few pixels is no trouble.
    """
    phases, where, sizes = np.unique(labels, return_inverse=True, return_counts=True)
    order = np.argsort(where.ravel(), kind="stable")
    share = sizes ** (1 - balance)
    drawn = rng.choice(len(phases), count, p=share / share.sum())
    begins = np.cumsum(sizes) - sizes
    return np.asarray(order[begins[drawn] + (rng.random(count) * sizes[drawn]).astype(np.int64)])


def _enlarged(maps: Tensor, span: Size) -> Tensor:
    if maps.shape[2:] == span:
        return maps
    return functional.interpolate(maps, span, mode="bilinear", align_corners=False)
