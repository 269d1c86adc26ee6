"""SAM's mask decoder with less work: the same answers, and only the logits that are needed.

It computes what ``segment_anything.modeling.MaskDecoder`` does, with its own weights, in another order:

1. Image tokens outnumber the T tokens of a prompt 4096 to 7. Projections of image tokens are therefore moved over to
   the prompt's tokens: q · (W x) = (Wᵀ q) · x, and A (V W) instead of (A V) W. No image token is projected any more.
2. All prompts of an image see the same image tokens in the first layer, so they are not copied for each prompt there.
3. Both transposed convolutions of the enlargement have stride and kernel 2: every logit comes from one image token. A
   lattice of logits costs its share, so prompts are compared on every fourth logit and only chosen ones made in full.

Sums in another order differ in the last bits of float32; nothing else differs.

References
----------
A. Kirillov et al., "Segment Anything", ICCV 2023, appendix A (lightweight mask decoder).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from segment_anything.modeling import MaskDecoder
from segment_anything.modeling.transformer import Attention, TwoWayAttentionBlock
from torch import Tensor
from torch.nn import functional

GROWTH = 4
"""Logits for each image token, along each axis: two enlargements by two."""
MASKS = 3
"""Number of masks in the answer to a prompt."""


@dataclass(frozen=True, slots=True, eq=False)
class Answers:
    """What the decoder computes of B prompts before any logit.

    ``tokens`` (B, h w, C) are the image tokens after the last layer, ``weights`` (B, 3, C / 8) of the enlarged channels
    for the three masks, ``quality`` (B, 3) the predicted IoU, not cut to [0, 1].
    """

    tokens: Tensor
    weights: Tensor
    quality: Tensor

    def qualities(self) -> NDArray[np.float64]:
        """Predicted IoU (B, 3), cut to [0, 1]."""
        cut: NDArray[np.float64] = self.quality.clamp(0.0, 1.0).double().cpu().numpy()
        return cut


class LeanDecoder:
    """The mask decoder for one image.

    ``image`` (1, C, h, w) is its embedding plus that of "no mask given", ``place`` (1, C, h, w) the positional encoding
    of its tokens.
    """

    def __init__(self, decoder: MaskDecoder, image: Tensor, place: Tensor) -> None:
        self._decoder = decoder
        self._size = (int(image.shape[2]), int(image.shape[3]))
        self._image = image.flatten(2).transpose(1, 2)
        self._place = place.flatten(2).transpose(1, 2)

    @torch.inference_mode()
    def answer(self, prompts: Tensor) -> Answers:
        """Answers to prompts given as embeddings of their points (B, N, C)."""
        decoder = self._decoder
        given = torch.cat([decoder.iou_token.weight, decoder.mask_tokens.weight])
        start = torch.cat([given.expand(len(prompts), -1, -1), prompts], dim=1)
        queries, image = start, self._image
        for layer in decoder.transformer.layers:
            queries, image = self._layer(layer, queries, image, start)
        final = decoder.transformer.final_attn_token_to_image
        read = _read(final, queries + start, image + self._place, image)
        queries = decoder.transformer.norm_final_attn(queries + read)
        heads = decoder.output_hypernetworks_mlps
        weights = torch.stack([heads[i](queries[:, 1 + i]) for i in range(1, decoder.num_mask_tokens)], dim=1)
        return Answers(image, weights, decoder.iou_prediction_head(queries[:, 0])[:, 1:])

    @torch.inference_mode()
    def logits(self, answers: Answers, step: int = 1) -> Tensor:
        """Logits (B, 3, GROWTH h / step, GROWTH w / step).

        Step 1 makes all, step 4 those of indices 4 k + 2 along both axes.
        """
        first, norm, gelu, second, _ = self._decoder.output_upscaling
        # A transposed convolution of stride and kernel 2 is a linear layer to 2 x 2 places, here row by row.
        chosen = (slice(3, 4), slice(0, 1)) if step == GROWTH else (slice(0, 4), slice(0, 4))
        grown = _places(answers.tokens, first.weight, first.bias, chosen[0])
        grown = gelu(functional.layer_norm(grown, grown.shape[-1:], norm.weight, norm.bias, norm.eps))
        grown = gelu(_places(grown, second.weight, second.bias, chosen[1]))
        batch, (height, width), side = len(grown), self._size, 1 if step == GROWTH else 2
        values = grown.flatten(1, -2) @ answers.weights.transpose(1, 2)
        parts = values.reshape(batch, height, width, side, side, side, side, -1)
        # batch, mask, then rows (token, first, second) and columns (token, first, second)
        ordered: Tensor = parts.permute(0, 7, 1, 3, 5, 2, 4, 6)
        return ordered.reshape(batch, -1, height * side**2, width * side**2)

    def _layer(
        self, layer: TwoWayAttentionBlock, queries: Tensor, image: Tensor, start: Tensor
    ) -> tuple[Tensor, Tensor]:
        """One two-way block: prompt tokens (B, T, C) and image tokens (B or 1, h w, C) after it."""
        if layer.skip_first_layer_pe:
            queries = layer.self_attn(q=queries, k=queries, v=queries)
        else:
            placed = queries + start
            queries = queries + layer.self_attn(q=placed, k=placed, v=queries)
        queries = layer.norm1(queries)
        keys = image + self._place
        queries = layer.norm2(queries + _read(layer.cross_attn_token_to_image, queries + start, keys, image))
        queries = layer.norm3(queries + layer.mlp(queries))
        written = _write(layer.cross_attn_image_to_token, keys, queries + start, queries)
        return queries, layer.norm4(written.add_(image))


def _read(attention: Attention, queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    """Attention of prompt tokens (B, T, C) to image tokens (B or 1, M, C), without projecting the latter.

    The bias of the keys adds the same to all logits of a query and drops out of the softmax.
    """
    batch, count, _ = queries.shape
    heads = attention.num_heads
    heads_of_queries = attention._separate_heads(attention.q_proj(queries), heads)
    width = heads_of_queries.shape[-1]
    moved = heads_of_queries @ attention.k_proj.weight.view(heads, width, -1) / math.sqrt(width)
    share = _flat_matmul(moved.flatten(1, 2), keys.transpose(1, 2)).softmax(dim=-1)
    mixed = _flat_matmul(share, values).view(batch, heads, count, -1)
    taken = mixed @ attention.v_proj.weight.view(heads, width, -1).transpose(1, 2)
    taken = taken + attention.v_proj.bias.view(heads, 1, width)
    read: Tensor = attention.out_proj(attention._recombine_heads(taken))
    return read


def _write(attention: Attention, image: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    """Attention of image tokens (B or 1, M, C) to prompt tokens (B, T, C), without projecting the former."""
    batch, count, _ = keys.shape
    heads = attention.num_heads
    heads_of_keys = attention._separate_heads(attention.k_proj(keys), heads)
    width = heads_of_keys.shape[-1]
    heads_of_keys = heads_of_keys / math.sqrt(width)
    moved = (heads_of_keys @ attention.q_proj.weight.view(heads, width, -1)).flatten(1, 2)
    offset = (heads_of_keys @ attention.q_proj.bias.view(heads, width, 1)).flatten(1, 2)
    agreement = _flat_matmul(moved, image.transpose(1, 2)).add_(offset)
    share = agreement.view(batch, heads, count, -1).softmax(dim=2).flatten(1, 2)
    given = attention._separate_heads(attention.v_proj(values), heads)
    given = given @ attention.out_proj.weight.view(-1, heads, width).permute(1, 2, 0)
    written: Tensor = share.transpose(1, 2) @ given.flatten(1, 2)
    return written.add_(attention.out_proj.bias)


def _flat_matmul(left: Tensor, right: Tensor) -> Tensor:
    """(B, R, K) @ (B or 1, K, M); one large product where the right side is shared."""
    if len(right) == 1:
        return (left.flatten(0, 1) @ right[0]).view(len(left), left.shape[1], -1)
    return left @ right


def _places(values: Tensor, weight: Tensor, bias: Tensor, chosen: slice) -> Tensor:
    """Outputs (..., places, C') of a transposed convolution at chosen ones of the 2 x 2 places of inputs (..., C)."""
    taken = weight.flatten(2)[..., chosen]
    inputs, outputs, places = taken.shape
    flat = values @ taken.permute(0, 2, 1).reshape(inputs, places * outputs) + bias.repeat(places)
    return flat.view(*values.shape[:-1], places, outputs)
