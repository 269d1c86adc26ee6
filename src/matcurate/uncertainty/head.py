"""An evidential head on embeddings: evidence for a class falls with distance, so what is far from all has none.

A linear last layer gives the more evidence the farther an embedding lies along its weights, however strange it is;
radial units do not.

References
----------
D. Broomhead, D. Lowe, "Multivariable functional interpolation and adaptive networks", Complex Systems 2 (1988).
J. van Amersfoort, L. Smith, Y. Teh, Y. Gal, "Uncertainty estimation using a single deep deterministic neural network",
ICML (2020): radial outputs for what a network has not seen.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn

from matcurate.config import Strict
from matcurate.types import FloatArray
from matcurate.uncertainty.loss import EvidenceSettings
from matcurate.uncertainty.patch_model import PatchModel, PatchOutput, others, patch_output
from matcurate.uncertainty.whitening import Labels, Whitening, fit_whitening


class HeadSettings(Strict):
    """Shape of the head; it is stored with the weights."""

    axes: int = Field(
        default=128, ge=1, description="Maximum number of principal axes of the embeddings that are kept."
    )
    shrinkage: float = Field(
        default=0.02,
        gt=0,
        le=1,
        description="Shrinkage of the covariance within classes, against chance in few samples.",
    )
    strength: float = Field(
        default=40.0,
        gt=0,
        allow_inf_nan=False,
        description="Evidence at the centre of a class before training, divided by the number of classes.",
    )
    evidence: EvidenceSettings = EvidenceSettings()


class EvidentialHead(PatchModel):
    """Log evidence b_k - exp(s_k) ‖z - μ_k‖² of whitened embeddings z; the whitening does not learn.

    ``classes`` are names in the order of the outputs, none twice; ``prototypes`` (K, d) the initial μ.
    """

    def __init__(
        self, classes: Sequence[str], whitening: Whitening, prototypes: FloatArray, settings: HeadSettings
    ) -> None:
        super().__init__()
        if len(set(classes)) != len(classes) or len(classes) != len(prototypes):
            raise ValueError(f"{len(prototypes)} classes need as many names, none twice; got {list(classes)}")
        self.classes = tuple(classes)
        self.settings, self.evidence = settings, settings.evidence
        self.register_buffer("centre", torch.from_numpy(whitening.centre).float())
        self.register_buffer("projection", torch.from_numpy(whitening.projection).float())
        self.prototypes = nn.Parameter(torch.from_numpy(np.asarray(prototypes)).float())
        self.log_precision = nn.Parameter(torch.full((len(classes),), -float(np.log(whitening.projection.shape[1]))))
        self.bias = nn.Parameter(torch.full((len(classes),), self._first_bias(len(classes))))

    def whitened(self, samples: Tensor) -> Tensor:
        """Whitened (N, d) of embeddings (N, D)."""
        features: Tensor = (samples - self.get_buffer("centre")) @ self.get_buffer("projection")
        return features

    def logits(self, whitened: Tensor) -> Tensor:
        """Logits (N, K) of whitened embeddings (N, d)."""
        return self.bias - self.log_precision.exp() * self._distances(whitened)

    def infer(self, samples: FloatArray) -> PatchOutput:
        """Compute the output for embeddings (N, D); its features are whitened embeddings (N, d)."""
        with torch.inference_mode():
            features = self.whitened(torch.from_numpy(samples.astype(np.float32)).to(self.bias.device))
            return patch_output(self.logits(features), features, self.settings.evidence.bound)

    def extended(self, name: str, samples: FloatArray) -> EvidentialHead:
        """Add an output for the class of embeddings (N, D); it starts at their mean and with their spread.

        The paper draws it at random.
        """
        if not len(samples):
            raise ValueError(f"class {name!r} needs at least one crop")
        with torch.no_grad():
            features = self.whitened(torch.from_numpy(samples.astype(np.float32)).to(self.bias.device))
            prototype = features.mean(0)
            spread = (features - prototype).square().sum(1).median()
            alike = -spread.log() if len(features) > 1 and spread > 0 else self.log_precision.median()
            return self._with(
                (*self.classes, name),
                {
                    "prototypes": torch.cat([self.prototypes, prototype[None]]),
                    "log_precision": torch.cat([self.log_precision, alike[None]]),
                    "bias": torch.cat([self.bias, self.bias.new_tensor([self._first_bias(len(self.classes) + 1)])]),
                },
            )

    def outputs(self) -> tuple[nn.Parameter, ...]:
        """Parameters with one row for each class: prototypes, precisions, biases."""
        return self.prototypes, self.log_precision, self.bias

    def without(self, name: str) -> EvidentialHead:
        """Remove an output."""
        kept = others(self.classes, name)
        with torch.no_grad():
            rows = {
                parameter: self.get_parameter(parameter)[kept] for parameter in ("prototypes", "log_precision", "bias")
            }
            return self._with([self.classes[number] for number in kept], rows)

    def _with(self, classes: Sequence[str], rows: Mapping[str, Tensor]) -> EvidentialHead:
        """A head with other outputs on the same whitening."""
        fixed = Whitening(*(self.get_buffer(buffer).double().cpu().numpy() for buffer in ("centre", "projection")))
        head = EvidentialHead(classes, fixed, rows["prototypes"].cpu().numpy(), self.settings).to(self.bias.device)
        head.load_state_dict({**self.state_dict(), **rows})
        return head

    def _first_bias(self, classes: int) -> float:
        """Log evidence that leaves the same vacuity in the middle of a class however many there are."""
        return float(np.log(self.settings.strength * classes))

    def _distances(self, whitened: Tensor) -> Tensor:
        """Squared distances (N, K) to the prototypes."""
        squares = whitened.square().sum(1, keepdim=True) + self.prototypes.square().sum(1)
        return (squares - 2 * whitened @ self.prototypes.T).clamp_min(0)


def begin_head(
    classes: Sequence[str],
    embeddings: FloatArray,
    labels: Labels,
    settings: HeadSettings,
    whitening: Whitening | None = None,
) -> EvidentialHead:
    """Make a head before training: whitening, and every class at the mean and with the spread of its embeddings.

    ``embeddings`` (N, D), finite; ``labels`` (N,) in 0 … K - 1, each at least once; ``whitening`` is fitted to them by
    default, which takes several of each class to say anything. One class alone is a head, too: training changes nothing
    (Bayes risk and divergence are 0 where K = 1), but evidence falls with the distance from it, and u = 1 / (1 + e).

    Raises ValueError when lengths differ, an embedding is not finite, there is no class, or a class has no sample.
    """
    if embeddings.ndim != 2 or labels.shape != embeddings.shape[:1]:
        raise ValueError(f"embeddings {embeddings.shape} do not fit labels {labels.shape}")
    if not np.isfinite(embeddings).all():
        raise ValueError("embeddings must be finite")
    if not len(classes) or not np.array_equal(np.unique(labels), np.arange(len(classes))):
        raise ValueError(f"needs a class and a sample of each; got {len(classes)} names, labels {np.unique(labels)}")
    whitening = whitening or fit_whitening(embeddings, labels, settings.axes, settings.shrinkage)
    samples = whitening(embeddings)
    prototypes = np.stack([samples[labels == number].mean(axis=0) for number in range(len(classes))])
    head = EvidentialHead(classes, whitening, prototypes, settings)
    own = ((samples - prototypes[labels]) ** 2).sum(axis=1)
    spread = np.array([np.median(own[labels == number]) for number in range(len(classes))])
    spread = np.where(spread > 1e-9, spread, np.median(spread) if np.median(spread) > 1e-9 else samples.shape[1])
    with torch.no_grad():
        head.log_precision.copy_(torch.from_numpy(-np.log(spread)))
    return head
