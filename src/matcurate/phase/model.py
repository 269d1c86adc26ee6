"""A frozen encoder with adapters, the Phase Learning Module, and a decoder that ends in one logit per phase."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from matcurate.errors import ConfigError
from matcurate.phase.lora import LoraSettings, add_lora
from matcurate.phase.losses import LossSettings, phase_loss
from matcurate.phase.plm import PhaseLearningModule, PlmSettings


@dataclass(frozen=True, slots=True, eq=False)
class Encoding:
    """Output of an encoder for images of ``shape`` (H, W).

    ``features`` (B, C, h, w) are what the Phase Learning Module works on; ``skips``, finest first, go to the decoder as
    is.
    """

    features: Tensor
    skips: tuple[Tensor, ...]
    shape: tuple[int, int]


@dataclass(frozen=True, slots=True, eq=False)
class Description:
    """Logits (B, n, H, W) of the phases, and the maps that led to them.

    ``maps`` (B, C, h, w) are the features of every level of the encoder, and the input of the decoder's last layer (or
    the logits, where the two cannot be separated). Interpolated to one size they are a vector for each pixel
    (hypercolumns; Hariharan et al., CVPR 2015). All span ``span`` (H', W') pixels from the upper left corner, at least
    (H, W).
    """

    logits: Tensor
    maps: tuple[Tensor, ...]
    span: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Levels:
    """Grey values (in [0, 1]) that a network takes as 0 and as 1."""

    zero: float
    one: float


class Segmenter(nn.Module, ABC):
    """An encoder that is frozen, and a decoder and head that learn.

    ``encoder`` is adapted by LoRA; everything else with parameters that want gradients is trained in full.
    """

    encoder: nn.Module
    channels: int
    """C of the features."""
    skip_channels: tuple[int, ...] = ()
    """Channels of the skips, finest first."""
    lora_targets: tuple[str, ...]
    """Modules of the encoder that carry adapters, unless the settings name others."""
    window: int | None
    """Edge of the squares that it takes, in pixels; None takes any size."""

    @abstractmethod
    def encode(self, images: Tensor) -> Encoding:
        """Features of images (B, 1, H, W) in units of :meth:`levels`."""

    @abstractmethod
    def decode(self, encoding: Encoding) -> Tensor:
        """Logits (B, n, H, W) of an encoding."""

    @abstractmethod
    def levels(self, grey: Tensor) -> Levels:
        """Levels that normalise a whole micrograph (H, W) of grey values in [0, 1]."""

    def span(self, shape: tuple[int, int]) -> tuple[int, int]:
        """Size that the features of images of a shape (H, W) span; larger than that where images are continued."""
        return shape


class SeparableSegmenter(Segmenter):
    """A segmenter whose decoder and last layer are separate, so that a module fits between them."""

    decoded_channels: int
    """Channels of the input of the last layer."""

    @abstractmethod
    def decoded(self, encoding: Encoding) -> Tensor:
        """Input of the last layer, (B, C', h', w')."""

    @abstractmethod
    def classified(self, decoded: Tensor, shape: tuple[int, int]) -> Tensor:
        """Logits (B, n, H, W) of the input of the last layer."""

    def decode(self, encoding: Encoding) -> Tensor:
        """Logits (B, n, H, W) of an encoding."""
        return self.classified(self.decoded(encoding), encoding.shape)


class SegmentationModel(nn.Module, ABC):
    """A network that :func:`matcurate.phase.trainer.train` trains: it gives every pixel a phase, of n ≥ 2.

    ``scale`` is the magnification of its input.
    """

    phases: int
    scale: float

    @property
    def window(self) -> int | None:
        """Edge of the squares that it takes, in pixels; None takes any size."""
        return None

    @abstractmethod
    def levels(self, grey: Tensor) -> Levels:
        """Levels that normalise a whole micrograph (H, W) of grey values in [0, 1]."""

    @abstractmethod
    def described(self, images: Tensor, ratios: Tensor) -> Description:
        """Logits and the maps that led to them; arguments as of :meth:`forward`."""

    def forward(self, images: Tensor, ratios: Tensor) -> Tensor:
        """Compute logits (B, n, H, W) from images (B, 1, H, W) in units of :meth:`levels`, and ratios (B, n)."""
        return self.described(images, ratios).logits

    def loss(self, logits: Tensor, labels: Tensor, weights: Tensor, settings: LossSettings, share: float) -> Tensor:
        """Loss of a batch, a scalar, when this share of all steps is done; arguments as of :func:`phase_loss`."""
        return phase_loss(logits, labels, weights, settings)

    def modules_of_ratio(self) -> tuple[PhaseLearningModule, ...]:
        """Every Phase Learning Module; none by default."""
        return ()

    @abstractmethod
    def rated_parameters(self, plm_rate: float, head_rate: float) -> list[tuple[list[nn.Parameter], float]]:
        """Trained parameters in groups, each with its multiple of the learning rate."""

    def learned_state(self) -> dict[str, Tensor]:
        """Everything that training may change, by name; the tensors themselves."""
        return self.state_dict()

    def load_learned_state(self, state: dict[str, Tensor]) -> None:
        """Take over what :meth:`learned_state` gave.

        Raises KeyError when a name is missing or unknown; ValueError when a shape differs.
        """
        mine = self.learned_state()
        if mine.keys() != state.keys():
            raise KeyError(f"other tensors than this model learns: {min(mine.keys() ^ state.keys())}")
        with torch.no_grad():
            for name, value in state.items():
                if mine[name].shape != value.shape:
                    raise ValueError(f"{name} has shape {tuple(value.shape)}, expected {tuple(mine[name].shape)}")
                mine[name].copy_(value)

    def parameter_counts(self) -> tuple[int, int]:
        """Numbers of trained parameters and of all."""
        sizes = [(value.numel(), value.requires_grad) for value in self.parameters()]
        return sum(size for size, learns in sizes if learns), sum(size for size, _ in sizes)


class PhaseModel(SegmentationModel):
    """Segments micrographs into n ≥ 2 phases, with or without an expert's ratio.

    The encoder of ``segmenter`` is frozen and adapted. Without ``plm`` there is no Phase Learning Module, and ratios
    are ignored. ``scale`` is the magnification of its input. Raises ConfigError when the encoder has fewer skips than
    are to get a module, or decoder and last layer cannot be separated.
    """

    def __init__(
        self, segmenter: Segmenter, phases: int, lora: LoraSettings, plm: PlmSettings | None, scale: float = 1.0
    ) -> None:
        super().__init__()
        self.phases = phases
        self.scale = scale
        self.segmenter = segmenter
        self.adapters = add_lora(segmenter.encoder, segmenter.lora_targets, lora)
        self.plm = None if plm is None else PhaseLearningModule(segmenter.channels, phases, plm)
        self.skip_plms = nn.ModuleList() if plm is None else _skip_modules(segmenter, phases, plm)
        self.decoded_plm = None if plm is None or not plm.decoded else _decoded_module(segmenter, phases, plm)

    @property
    def window(self) -> int | None:
        """That of the segmenter."""
        return self.segmenter.window

    def levels(self, grey: Tensor) -> Levels:
        """Levels of the segmenter."""
        return self.segmenter.levels(grey)

    def described(self, images: Tensor, ratios: Tensor) -> Description:
        """Logits and the maps that led to them; arguments as of :meth:`forward`."""
        encoding = self.aware(self.segmenter.encode(images), ratios)
        span = self.segmenter.span(encoding.shape)
        if isinstance(self.segmenter, SeparableSegmenter):
            last = self.segmenter.decoded(encoding)
            if self.decoded_plm is not None:
                last = self.decoded_plm(last, ratios)
            logits = self.segmenter.classified(last, encoding.shape)
        else:
            logits = self.segmenter.decode(encoding)
            beyond = (0, span[1] - logits.shape[3], 0, span[0] - logits.shape[2])
            last = nn.functional.pad(logits, beyond, mode="replicate")
        return Description(logits, (*encoding.skips, encoding.features, last), span)

    def aware(self, encoding: Encoding, ratios: Tensor) -> Encoding:
        """Bring ratios (B, n) into an encoding by the modules; without any it stays as it is."""
        if self.plm is None:
            return encoding
        kept = len(encoding.skips) - len(self.skip_plms)
        changed = [module(skip, ratios) for module, skip in zip(self.skip_plms, encoding.skips[kept:], strict=True)]
        return Encoding(self.plm(encoding.features, ratios), (*encoding.skips[:kept], *changed), encoding.shape)

    def modules_of_ratio(self) -> tuple[PhaseLearningModule, ...]:
        """Every Phase Learning Module, that on the coarsest features first; none without."""
        modules = (self.plm, *self.skip_plms, self.decoded_plm)
        return tuple(module for module in modules if isinstance(module, PhaseLearningModule))

    def train(self, mode: bool = True) -> PhaseModel:
        """Like the parent's, but the encoder's normalisation stays as it was learned; only its adapters train."""
        super().train(mode)
        for part in self.segmenter.encoder.modules():
            if isinstance(part, nn.modules.batchnorm._BatchNorm):
                part.eval()
        return self

    def learned_state(self) -> dict[str, Tensor]:
        """Everything that training may change, by name: adapters, module, decoder, head; the tensors themselves."""
        learning = {name for name, value in self.named_parameters() if value.requires_grad}
        owners = {name.rpartition(".")[0] for name in learning}
        return {
            name: value
            for name, value in self.state_dict().items()
            if name in learning or (name not in self._all_parameters and name.rpartition(".")[0] in owners)
        }

    def rated_parameters(self, plm_rate: float, head_rate: float) -> list[tuple[list[nn.Parameter], float]]:
        """Modules of the ratio at ``plm_rate``, all others at 1."""
        modules = {id(value) for module in self.modules_of_ratio() for value in module.parameters()}
        learning = [value for value in self.parameters() if value.requires_grad]
        others = [value for value in learning if id(value) not in modules]
        return [(others, 1.0), ([value for value in learning if id(value) in modules], plm_rate)]

    @property
    def _all_parameters(self) -> set[str]:
        return {name for name, _ in self.named_parameters()}


def _skip_modules(segmenter: Segmenter, phases: int, plm: PlmSettings) -> nn.ModuleList:
    """Modules of the coarsest skips, in the order of the skips (finest first)."""
    widths = segmenter.skip_channels
    if plm.skips > len(widths):
        raise ConfigError(f"plm.skips is {plm.skips}, but the encoder has {len(widths)} skips; set at most that many")
    return nn.ModuleList(PhaseLearningModule(width, phases, plm) for width in widths[len(widths) - plm.skips :])


def _decoded_module(segmenter: Segmenter, phases: int, plm: PlmSettings) -> PhaseLearningModule:
    if not isinstance(segmenter, SeparableSegmenter):
        raise ConfigError("plm.decoded is set, but this decoder and its last layer cannot be separated; unset it")
    return PhaseLearningModule(segmenter.decoded_channels, phases, plm)
