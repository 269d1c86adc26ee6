"""Official SAM as an encoder with a mask decoder of n mask tokens and no prompts, as SAMed does it (Zhang 2023)."""

from __future__ import annotations

from copy import deepcopy

import torch
from segment_anything.modeling import ImageEncoderViT, Sam
from segment_anything.modeling.mask_decoder import MLP
from torch import Tensor, nn
from torch.nn import functional

from matcurate.errors import ConfigError
from matcurate.phase.lora import split_qkv
from matcurate.phase.model import Encoding, Levels, Segmenter


class SamSegmenter(Segmenter):
    """SAM's image encoder and mask decoder; one mask token for each phase.

    The first tokens and their perceptrons are SAM's own four, and again from the first where there are more phases. The
    token of the predicted IoU stays, since the others see it; its head and the prompt encoder are left out, but for the
    latter's answer to "no prompt". ``image_size`` is the edge of the encoder's input in pixels; other sizes than SAM's
    1024 interpolate the position embedding. Raises ConfigError when it is no multiple of SAM's patches.
    """

    mean: Tensor
    deviation: Tensor
    unprompted: Tensor
    window: int

    def __init__(self, model: Sam, phases: int, image_size: int) -> None:
        super().__init__()
        self.encoder = resized_encoder(model.image_encoder, image_size)
        split_qkv(self.encoder)
        self.transformer = deepcopy(model.mask_decoder.transformer)
        self.upscaling = deepcopy(model.mask_decoder.output_upscaling)
        theirs = model.mask_decoder
        origins = [index % theirs.num_mask_tokens for index in range(phases)]
        self.iou_token = nn.Parameter(theirs.iou_token.weight.detach().clone())
        self.tokens = nn.Parameter(theirs.mask_tokens.weight.detach()[origins].clone())
        self.perceptrons: nn.ModuleList = nn.ModuleList(deepcopy(self._perceptron(model, index)) for index in origins)
        self.requires_grad_(True)
        self.places = deepcopy(model.prompt_encoder.pe_layer).requires_grad_(False)
        self.register_buffer("unprompted", model.prompt_encoder.no_mask_embed.weight.detach().reshape(1, -1, 1, 1))
        mean, deviation = (values.reshape(1, 3, 1, 1) for values in (model.pixel_mean, model.pixel_std))
        self.register_buffer("mean", mean / 255)
        self.register_buffer("deviation", deviation / 255)
        self.channels = theirs.transformer_dim
        self.window = image_size
        self.lora_targets = ("q", "v")

    @staticmethod
    def _perceptron(model: Sam, index: int) -> MLP:
        return model.mask_decoder.output_hypernetworks_mlps[index]

    def encode(self, images: Tensor) -> Encoding:
        """Embedding (B, 256, h, w), a sixteenth of the size; smaller images are continued to the window."""
        height, width = images.shape[-2:]
        square = functional.pad(images, (0, self.window - width, 0, self.window - height))
        colour = (square.expand(-1, 3, -1, -1) - self.mean) / self.deviation
        return Encoding(self.encoder(colour), (), (height, width))

    def decode(self, encoding: Encoding) -> Tensor:
        """Logits (B, n, H, W): those of SAM at a quarter of the size, enlarged."""
        source = encoding.features + self.unprompted
        batch, channels, rows, columns = source.shape
        places = self.places((rows, columns))[None].expand(batch, -1, -1, -1)
        tokens = torch.cat([self.iou_token, self.tokens]).expand(batch, -1, -1)
        answers, image = self.transformer(source, places, tokens)
        fine = self.upscaling(image.transpose(1, 2).reshape(batch, channels, rows, columns))
        weights = torch.stack([mlp(answers[:, 1 + index]) for index, mlp in enumerate(self.perceptrons)], dim=1)
        coarse = torch.einsum("bnc,bchw->bnhw", weights, fine)
        height, width = encoding.shape
        logits = functional.interpolate(coarse, (self.window, self.window), mode="bilinear", align_corners=False)
        return logits[..., :height, :width]

    def levels(self, grey: Tensor) -> Levels:
        """SAM takes grey values as they are."""
        return Levels(0.0, 1.0)

    def span(self, shape: tuple[int, int]) -> tuple[int, int]:
        """The whole window."""
        return self.window, self.window


def resized_encoder(encoder: ImageEncoderViT, image_size: int) -> ImageEncoderViT:
    """Copy of SAM's image encoder for squares of another size; only the absolute position embedding changes.

    Relative positions are interpolated by SAM itself. Raises ConfigError when the size is no multiple of the patches.
    """
    copied = deepcopy(encoder)
    embedding: Tensor = copied.pos_embed
    patch: int = copied.img_size // embedding.shape[1]
    if image_size < patch or image_size % patch:
        raise ConfigError(f"image_size {image_size} is no multiple of SAM's patches of {patch} pixels; change it")
    if image_size != copied.img_size:
        cells = image_size // patch
        moved = functional.interpolate(
            embedding.detach().movedim(-1, 1), (cells, cells), mode="bicubic", align_corners=False, antialias=True
        )
        copied.pos_embed = nn.Parameter(moved.movedim(1, -1).contiguous())
        copied.img_size = image_size
    return copied
