"""Where networks compute."""

from __future__ import annotations

import torch

from matcurate.errors import ConfigError


def resolve_device(device: str | None) -> torch.device:
    """Device of a name; None is a GPU when there is one, else the CPU. :class:`ConfigError` when not there."""
    try:
        chosen = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    except RuntimeError as error:
        raise ConfigError(f"no device {device!r}; use cpu, cuda or cuda:N") from error
    if chosen.type == "cuda" and (chosen.index or 0) >= torch.cuda.device_count():
        raise ConfigError(f"device {device!r} is not there ({torch.cuda.device_count()} GPUs found); use cpu")
    return chosen
