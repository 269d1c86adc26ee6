"""SAM's architecture, small enough for tests: one encoder block, an input of 256 pixels, random weights."""

from functools import partial

import pytest
import torch
from segment_anything.modeling import ImageEncoderViT, MaskDecoder, PromptEncoder, Sam, TwoWayTransformer

SIZE, PATCH, CHANNELS = 256, 16, 256


def tiny_sam(size: int = SIZE) -> Sam:
    """A model in evaluation mode; its embedding has a cell for every 16 x 16 pixels of an image of ``size`` pixels."""
    cells = size // PATCH
    encoder = ImageEncoderViT(
        img_size=size,
        patch_size=PATCH,
        embed_dim=32,
        depth=1,
        num_heads=2,
        out_chans=CHANNELS,
        norm_layer=partial(torch.nn.LayerNorm, eps=1e-6),
    )
    prompts = PromptEncoder(CHANNELS, (cells, cells), (size, size), mask_in_chans=16)
    transformer = TwoWayTransformer(depth=2, embedding_dim=CHANNELS, mlp_dim=128, num_heads=8)
    return Sam(encoder, prompts, MaskDecoder(transformer_dim=CHANNELS, transformer=transformer)).eval()


@pytest.fixture
def tiny_vit_b(monkeypatch: pytest.MonkeyPatch) -> None:
    """The registry's ``vit_b`` is the tiny one, and the generator asks four points unless told otherwise."""
    from matcurate.promptable import sam
    from matcurate.segmentation import amg

    monkeypatch.setitem(sam.sam_model_registry, "vit_b", tiny_sam)
    monkeypatch.setattr(amg, "AmgSettings", partial(amg.AmgSettings, points_per_side=2))
