"""A torchvision classifier that is fine-tuned: its last linear layer gives log evidence, and all weights learn.

The paper does so with an AlexNet trained on ImageNet. New outputs begin at 0 here, where the paper draws them.

References
----------
K. Zhang, D. Apley, W. Chen, W. Liu, L. C. Brinson, "A framework for supervised and unsupervised segmentation and
classification of materials microstructure images" (2025), sections 2.2, 2.4 and 3.2.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torchvision.models import get_model, get_model_weights

from matcurate.config import NetworkName, Strict
from matcurate.errors import CheckpointError
from matcurate.types import FloatArray
from matcurate.uncertainty.loss import EvidenceSettings
from matcurate.uncertainty.patch_model import PatchModel, PatchOutput, others, patch_output

AT_ONCE = 64
"""Crops in one batch of inference."""


@dataclass(frozen=True, slots=True)
class Architecture:
    """A torchvision classifier: path of its last linear layer, least edge of a crop in pixels."""

    last: str
    least: int = 32


ARCHITECTURES: Mapping[NetworkName, Architecture] = {
    "alexnet": Architecture("classifier.6", least=64),
    "mobilenet_v3_small": Architecture("classifier.3"),
    "resnet18": Architecture("fc"),
    "resnet34": Architecture("fc"),
    "resnet50": Architecture("fc"),
}


class GreyBody(nn.Module):
    """Features (N, D) of crops (N, h, w) of grey values in [0, 1]: a torchvision classifier without its last layer.

    Grey goes into all three channels, each normalised as for the weights from ImageNet. New weights are drawn from
    torch's generator.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, name: NetworkName) -> None:
        super().__init__()
        self.name = name
        self.layers: nn.Module = get_model(name, weights=None)
        path, _, leaf = ARCHITECTURES[name].last.rpartition(".")
        setattr(self.layers.get_submodule(path), leaf, nn.Identity())
        normal = get_model_weights(name)["IMAGENET1K_V1"].transforms()
        for buffer, values in (("mean", normal.mean), ("deviation", normal.std)):
            self.register_buffer(buffer, torch.tensor(values)[:, None, None], persistent=False)

    def forward(self, crops: Tensor) -> Tensor:
        """Features (N, D) of crops (N, h, w)."""
        images = (crops[:, None] - self.mean) / self.deviation
        if self.training and len(images) == 1:
            images = images.expand(2, -1, -1, -1)  # one crop alone has no variance to normalise by
        features: Tensor = self.layers(images)
        return features[: len(crops)]

    def train(self, mode: bool = True) -> GreyBody:
        """Switch dropout, and batch statistics where they belong to weights that learn."""
        super().train(mode)
        for layer in self._normalising():
            layer.train(mode and layer.weight.requires_grad)
        return self

    def of(self, crops: FloatArray) -> NDArray[np.float32]:
        """Features (N, D) of crops (N, h, w), on the CPU."""
        with torch.inference_mode():
            parts = torch.split(torch.from_numpy(crops.astype(np.float32)), AT_ONCE)
            features = torch.cat([self(part.to(self.mean.device)).cpu() for part in parts])
        return np.asarray(features.numpy())

    def load(self, start: Mapping[str, Tensor]) -> None:
        """Take over the weights of a classifier but those of its last layer.

        Raises CheckpointError when they are those of something else.
        """
        last = f"{ARCHITECTURES[self.name].last}."
        try:
            self.layers.load_state_dict({key: value for key, value in start.items() if not key.startswith(last)})
        except RuntimeError as error:
            raise CheckpointError(
                f"the weights to begin with are not those of {self.name}; set classes.network.weights to a file of "
                "its weights, to 'imagenet' or to 'none'"
            ) from error

    def settle(self, crops: FloatArray) -> None:
        """Let batch normalisation take over means and variances of all crops, where those of few counted before."""
        layers = self._normalising()
        momenta = [layer.momentum for layer in layers]
        for layer in layers:
            layer.reset_running_stats()
            layer.momentum = None  # the mean over all batches
            layer.train()
        self.of(crops)
        for layer, momentum in zip(layers, momenta, strict=True):
            layer.momentum = momentum
            layer.eval()

    def _normalising(self) -> list[nn.BatchNorm2d]:
        return [module for module in self.modules() if isinstance(module, nn.BatchNorm2d)]


class NetworkOutputs(Strict):
    """Settings of the outputs; they are stored with the weights."""

    evidence: EvidenceSettings = EvidenceSettings()


class PatchNetwork(PatchModel):
    """Logits of evidence for crops of grey values. ``classes``: names, in the order of the outputs; none twice."""

    def __init__(self, body: GreyBody, classes: Sequence[str], last: nn.Linear, settings: NetworkOutputs) -> None:
        super().__init__()
        if len(set(classes)) != len(classes) or len(classes) != last.out_features:
            raise ValueError(f"{last.out_features} classes need as many names, none twice; got {list(classes)}")
        self.body, self.classes, self.last = body, tuple(classes), last
        self.settings, self.evidence = settings, settings.evidence
        self.train(False)

    def augment(self, whitened: Tensor, rng: np.random.Generator) -> Tensor:
        """Crops (N, h, w), square, each in one of its eight orientations."""
        turns, mirrored = rng.integers(0, 4, len(whitened)), rng.integers(0, 2, len(whitened))
        drawn = zip(whitened, turns, mirrored, strict=True)
        return torch.stack([(crop.flip(1) if flip else crop).rot90(int(turn), (0, 1)) for crop, turn, flip in drawn])

    def logits(self, whitened: Tensor) -> Tensor:
        """Logits (N, K) of crops (N, h, w)."""
        logits: Tensor = self.last(self.body(whitened))
        return logits

    def outputs(self) -> tuple[nn.Parameter, ...]:
        """Parameters with one row for each class: weights and biases of the last layer."""
        return self.last.get_parameter("weight"), self.last.get_parameter("bias")

    def infer(self, samples: FloatArray) -> PatchOutput:
        """Compute the output for crops (N, h, w); its features (N, D) are those of the body."""
        with torch.inference_mode():
            features = torch.from_numpy(self.body.of(samples)).to(self.last.bias.device)
            return patch_output(self.last(features), features, self.settings.evidence.bound)

    def extended(self, name: str, samples: FloatArray) -> PatchNetwork:
        """Add an output for the class of crops (N, h, w); until it is trained it gives every crop an evidence of 1."""
        if not len(samples):
            raise ValueError(f"class {name!r} needs at least one crop")
        rows = [torch.cat([output, torch.zeros_like(output[:1])]) for output in self.outputs()]
        return self._with((*self.classes, name), *rows)

    def without(self, name: str) -> PatchNetwork:
        """Remove an output."""
        kept = others(self.classes, name)
        return self._with([self.classes[number] for number in kept], *(output[kept] for output in self.outputs()))

    def _with(self, classes: Sequence[str], weight: Tensor, bias: Tensor) -> PatchNetwork:
        """A network with other outputs, whose training leaves this one alone."""
        return PatchNetwork(copy.deepcopy(self.body), classes, last_layer(weight, bias), self.settings)


def last_layer(weight: Tensor, bias: Tensor) -> nn.Linear:
    """A layer of weights (K, D) and biases (K,)."""
    layer = nn.Linear(weight.shape[1], weight.shape[0], device="meta")  # nothing is drawn
    layer.weight, layer.bias = (nn.Parameter(values.detach().clone()) for values in (weight, bias))
    return layer


def begin_network(
    name: NetworkName,
    classes: Sequence[str],
    crops: FloatArray,
    start: Mapping[str, Tensor] | None,
    *,
    rng: np.random.Generator,
    device: torch.device | None = None,
) -> PatchNetwork:
    """Make a network before training: a classifier's weights, and outputs that give every crop an evidence of 1.

    ``crops`` (N, h, w), grey values in [0, 1]; ``start`` holds the classifier's weights, of which those of the last
    layer are left out. Without them all are drawn at random, and batch normalisation takes the means and variances of
    these crops. The default device is the CPU. Raises ValueError when crops are too small for it or not finite;
    CheckpointError when the weights are those of something else.
    """
    if crops.ndim != 3 or min(crops.shape[1:]) < ARCHITECTURES[name].least:
        raise ValueError(f"{name} takes crops of {ARCHITECTURES[name].least} pixels at least, got {crops.shape}")
    if not np.isfinite(crops).all():
        raise ValueError("crops must be finite")
    with seeded(rng, device):
        body = GreyBody(name).to(device).train(False)
    if start is None:
        body.settle(crops)
    else:
        body.load(start)
    features = body.of(crops[:1]).shape[1]
    last = last_layer(torch.zeros(len(classes), features, device=device), torch.zeros(len(classes), device=device))
    return PatchNetwork(body, classes, last, NetworkOutputs())


@contextmanager
def seeded(rng: np.random.Generator, device: torch.device | None) -> Iterator[None]:
    """Let torch draw first weights and dropout from a generator, and choose the same kernels each time."""
    on_gpu = device is not None and device.type == "cuda"
    with torch.random.fork_rng(devices=[device] if on_gpu else []):
        torch.manual_seed(int(rng.integers(2**62)))
        with torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True):
            yield
