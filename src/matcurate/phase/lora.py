"""Low-rank adapters (Hu et al. 2021) through peft: where they go, and how they come off again."""

from __future__ import annotations

import torch
from peft import LoraConfig, inject_adapter_in_model
from peft.tuners.lora import LoraLayer
from pydantic import Field
from torch import Tensor, nn

from matcurate.config import Strict
from matcurate.errors import ConfigError

QKV = "qkv"


class LoraSettings(Strict):
    """Size of the adapters of a frozen encoder: W' = W + (alpha / rank) B A."""

    rank: int = Field(default=8, ge=1, description="Rank of the matrices A and B; 512 in the paper, on ViT-B.")
    alpha: float | None = Field(default=None, gt=0, description="Factor alpha of the update; None: equal to the rank.")
    dropout: float = Field(default=0.0, ge=0, lt=1, description="Dropout probability of the input of A, in training.")
    targets: tuple[str, ...] = Field(
        default=(), description="Endings of the names of adapted modules; empty: the backbone's own choice."
    )


class SplitQkv(nn.Module):
    """SAM's fused projection, C to 3 C channels, as three linear layers: q and v can be adapted, k cannot."""

    def __init__(self, fused: nn.Linear) -> None:
        super().__init__()
        self.q, self.k, self.v = (
            _linear(weight, bias)
            for weight, bias in zip(
                fused.weight.detach().chunk(3),
                (None, None, None) if fused.bias is None else fused.bias.detach().chunk(3),
                strict=True,
            )
        )

    def forward(self, tokens: Tensor) -> Tensor:
        """Queries, keys and values (…, 3 C) of tokens (…, C)."""
        return torch.cat([self.q(tokens), self.k(tokens), self.v(tokens)], dim=-1)

    def fused(self) -> nn.Linear:
        """The three as one layer again; adapters must be merged first."""
        parts = (self.q, self.k, self.v)
        bias = None if self.q.bias is None else torch.cat([part.bias.detach() for part in parts])
        return _linear(torch.cat([part.weight.detach() for part in parts]), bias)


def split_qkv(encoder: nn.Module) -> int:
    """Split every fused ``qkv`` of an encoder in place. Returns how many there were."""
    projections = [
        (name, part) for name, part in encoder.named_modules() if name.endswith(QKV) and isinstance(part, nn.Linear)
    ]
    for name, fused in projections:
        _replace(encoder, name, SplitQkv(fused).requires_grad_(False))
    return len(projections)


def fuse_qkv(encoder: nn.Module) -> int:
    """Undo :func:`split_qkv` in place, after :func:`merge_lora`. Returns how many there were."""
    projections = [(name, part) for name, part in encoder.named_modules() if isinstance(part, SplitQkv)]
    for name, split in projections:
        _replace(encoder, name, split.fused())
    return len(projections)


def add_lora(encoder: nn.Module, targets: tuple[str, ...], settings: LoraSettings) -> int:
    """Freeze an encoder and put adapters on its modules of these names or endings of names, in place.

    B starts at zero, so the output does not change before training. The settings' own targets replace ``targets``.
    Returns the number of adapted modules. Raises ConfigError when no module has such a name, or one cannot be adapted.
    """
    names = settings.targets or targets
    config = LoraConfig(
        r=settings.rank,
        lora_alpha=settings.rank if settings.alpha is None else settings.alpha,  # type: ignore[arg-type]
        lora_dropout=settings.dropout,
        target_modules=list(names),
        bias="none",
    )
    encoder.requires_grad_(False)
    try:
        inject_adapter_in_model(config, encoder)
    except ValueError as error:
        reason = str(error).splitlines()[0]
        raise ConfigError(f"LoRA cannot go on {', '.join(names)} ({reason}); set other targets") from error
    return sum(isinstance(part, LoraLayer) for part in encoder.modules())


def merge_lora(encoder: nn.Module) -> int:
    """Add every adapter to the weights that it was put on, and take it off, in place. Returns how many there were."""
    adapted = [(name, part) for name, part in encoder.named_modules() if isinstance(part, LoraLayer)]
    for name, part in adapted:
        part.merge()
        _replace(encoder, name, part.get_base_layer())
    return len(adapted)


def _linear(weight: Tensor, bias: Tensor | None) -> nn.Linear:
    layer = nn.Linear(weight.shape[1], weight.shape[0], bias=bias is not None, device=weight.device, dtype=weight.dtype)
    with torch.no_grad():
        layer.weight.copy_(weight)
        if bias is not None:
            layer.bias.copy_(bias)
    return layer


def _replace(root: nn.Module, name: str, part: nn.Module) -> None:
    parent, _, last = name.rpartition(".")
    setattr(root.get_submodule(parent), last, part)
