"""A small SAM under the name ViT-B in the official file format, and one image that it encodes once."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from segment_anything.modeling import Sam

from matcurate.promptable import sam
from matcurate.promptable.embeddings import EmbeddingCache
from matcurate.promptable.sam import SamBackbone
from tests.unit.tiny_sam import tiny_sam

OFFICIAL_SIZE = 1024


@dataclass(frozen=True)
class RandomVitB:
    """A checkpoint file, the model it holds, a backbone that reads it, and an 8-bit image (96, 160)."""

    path: Path
    model: Sam
    backbone: SamBackbone
    cache: EmbeddingCache
    image: NDArray[np.uint8]


@pytest.fixture(scope="package", autouse=True)
def small() -> Iterator[None]:
    """The registry's ``vit_b`` has one block, and the size of the official one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sam.sam_model_registry, "vit_b", partial(tiny_sam, OFFICIAL_SIZE))
        yield


@pytest.fixture(scope="package")
def vit_b(small: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RandomVitB]:
    folder = tmp_path_factory.mktemp("vit_b")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        model = tiny_sam(OFFICIAL_SIZE)
    path = folder / "sam_vit_b.pth"
    torch.save(model.state_dict(), path)
    rows, columns = np.mgrid[:96, :160]
    image = np.where((rows - 40) ** 2 + (columns - 110) ** 2 < 25**2, 190, 60).astype(np.uint8)
    image += np.random.default_rng(5).integers(0, 30, image.shape, dtype=np.uint8)
    cache = EmbeddingCache(folder / "embeddings", 10**8)
    yield RandomVitB(path, model, SamBackbone("vit_b", path, cache, device="cpu"), cache, image)
    path.unlink()
