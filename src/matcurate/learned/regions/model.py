"""The supervised region segmenter: an encoder up to a middle block, atrous pyramid pooling, and one output a class.

References
----------
K. Zhang et al., "A framework for supervised and unsupervised segmentation and classification of materials
microstructure images" (2025), section 2.3 and equation 8.
L.-C. Chen et al., "Encoder-decoder with atrous separable convolution for semantic image segmentation" (DeepLabv3+),
ECCV 2018.
M. Sensoy, L. Kaplan, M. Kandemir, "Evidential deep learning to quantify classification uncertainty", NeurIPS (2018).
"""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional
from torchvision.models.segmentation.deeplabv3 import ASPP

from matcurate.config import Strict
from matcurate.learned.regions.encoders import EfficientNetEncoder, XceptionEncoder, separable
from matcurate.phase.losses import LossSettings
from matcurate.phase.model import Description, Levels, SegmentationModel
from matcurate.promptable.builtin.standard import SPREAD
from matcurate.types import UNKNOWN
from matcurate.uncertainty.loss import IGNORED, EvidenceSettings, dirichlet_parameters, evidential_loss

STRIDE = 16


class NetworkSettings(Strict):
    """Shape of a region segmenter; stored with its weights."""

    encoder: Literal["efficientnet", "xception"] = Field(
        default="efficientnet",
        description="efficientnet: the built-in network's up to block 10, with its weights. xception: the paper's slim "
        "Xception, from random weights.",
    )
    width: int = Field(default=48, ge=8, description="Number of channels between encoder and output.")
    rates: tuple[int, int, int] = Field(
        default=(2, 4, 6), description="Dilations of atrous pyramid pooling, in cells of 16 pixels."
    )
    dropout: float = Field(default=0.1, ge=0, lt=1, description="Dropout probability after the pyramid pooling.")
    evidence: EvidenceSettings | None = Field(
        default=None, description="Evidential output: a Dirichlet distribution for each pixel. None: softmax."
    )
    scale: float = Field(
        default=1.0,
        gt=0,
        le=4,
        description="Factor by which micrographs are enlarged for the model; results have the original size.",
    )


class RegionModel(SegmentationModel):
    """Gives every pixel one of ``phases`` classes by the texture around it.

    The logits of an evidential model are log α: their softmax is the mean α / S of the Dirichlet distribution, so that
    all that reads logits reads those of both kinds.
    """

    def __init__(self, phases: int, settings: NetworkSettings) -> None:
        super().__init__()
        self.phases, self.scale, self.evidence = phases, settings.scale, settings.evidence
        self.encoder = EfficientNetEncoder() if settings.encoder == "efficientnet" else XceptionEncoder()
        fine, coarse = self.encoder.channels
        width = settings.width
        self.pyramid = ASPP(coarse, list(settings.rates), width)
        self.pyramid.project[-1] = nn.Dropout(settings.dropout)
        self.joined = nn.Sequential(*separable(width + fine, width), *separable(width, width))
        self.head = nn.Conv2d(width, phases, kernel_size=1)

    def levels(self, grey: Tensor) -> Levels:
        """Mean and spread of the built-in network's input; a constant image becomes zero."""
        mean, deviation = float(grey.mean()), float(grey.std(correction=0))
        return Levels(mean, mean + (deviation or 1.0) / SPREAD)

    def described(self, images: Tensor, ratios: Tensor) -> Description:
        """Logits and features of images (B, 1, H, W), of any size; ratios are ignored."""
        height, width = images.shape[-2:]
        padded = functional.pad(images, (0, -width % STRIDE, 0, -height % STRIDE), mode="replicate")
        fine, coarse = self.encoder(padded)
        context = functional.interpolate(self.pyramid(coarse), fine.shape[-2:], mode="bilinear", align_corners=False)
        last = self.joined(torch.cat([context, fine], dim=1))
        span = (padded.shape[-2], padded.shape[-1])
        logits = functional.interpolate(self.head(last), span, mode="bilinear", align_corners=False)
        logits = logits[..., :height, :width].float()
        if self.evidence is not None:
            logits = dirichlet_parameters(logits, self.evidence.bound).log()
        return Description(logits, (fine, coarse, last), span)

    def loss(self, logits: Tensor, labels: Tensor, weights: Tensor, settings: LossSettings, share: float) -> Tensor:
        """Weighted losses of the settings; that of evidence, whose penalty grows in the first half, if it has any."""
        if self.evidence is None:
            return super().loss(logits, labels, weights, settings, share)
        penalty = self.evidence.penalty * min(1.0, 2 * share)
        return evidential_loss(logits.exp(), torch.where(labels == UNKNOWN, IGNORED, labels), penalty, weights)

    def rated_parameters(self, plm_rate: float, head_rate: float) -> list[tuple[list[nn.Parameter], float]]:
        """The last layer at ``head_rate``, all others at 1."""
        last = list(self.head.parameters())
        others = [value for value in self.parameters() if all(value is not own for own in last)]
        return [(others, 1.0), (last, head_rate)]
