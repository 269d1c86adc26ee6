"""Official SAM (Kirillov et al. 2023) behind the predictor interface."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import TypeGuard

import numpy as np
import torch
from numpy.typing import NDArray
from segment_anything import SamPredictor, sam_model_registry
from segment_anything.modeling import Sam
from segment_anything.utils.transforms import ResizeLongestSide

from matcurate.errors import CheckpointError
from matcurate.imaging.proxy import to_uint8
from matcurate.promptable.decoder import Answers, LeanDecoder
from matcurate.promptable.devices import resolve_device
from matcurate.promptable.digests import remembered_sha256
from matcurate.promptable.embeddings import EmbeddingCache, embedding_key
from matcurate.promptable.enlarge import Axis, Enlargement
from matcurate.promptable.prompts import PADDING, checked_boxes, checked_prompts
from matcurate.promptable.protocol import Backbone, PointLabels, Traits
from matcurate.promptable.sam_drafts import SamDrafted
from matcurate.tensorfile import read_state
from matcurate.types import Candidate, FloatArray, Pixels

ENCODING = "grey to RGB, longest side 1024, float32; 1"
"""How an image reaches the encoder; part of the embedding's key, so change it with the code below."""
PROMPTS_AT_ONCE = 64
PROMPTS_AT_ONCE_ON_A_CPU = 8
"""Image tokens of a prompt are 4 MiB; more of them leave the cache of a CPU."""
LOGITS = 256


class SamImage:
    """An encoded image (H, W) that answers prompts.

    ``model`` gives the network, on the device where it computes; ``embedding`` (1, 256, 64, 64) is the image's.
    """

    def __init__(self, model: Callable[[], Sam], embedding: torch.Tensor, shape: tuple[int, int]) -> None:
        self._model = model
        self._embedding = embedding
        self._shape = shape

    @property
    def shape(self) -> tuple[int, int]:
        """(H, W) in pixels."""
        return self._shape

    def features(self) -> NDArray[np.float32]:
        """Embedding (h, w, 256) over the image alone, without the padding to a square."""
        padded = self._model().image_encoder.img_size
        cells = self._embedding[0].float().cpu().numpy()
        rows, columns = (
            -(-used * size // padded)
            for used, size in zip(
                ResizeLongestSide.get_preprocess_shape(*self._shape, padded), cells.shape[1:], strict=True
            )
        )
        return np.ascontiguousarray(np.moveaxis(cells[:, :rows, :columns], 0, -1))

    def predict(self, points: FloatArray, labels: PointLabels) -> list[tuple[Candidate, ...]]:
        """Answer B prompts of N points each with up to three masks, smallest first.

        The quality is SAM's predicted IoU, cut to [0, 1]. A prompt of padding alone has no answer. Arguments and errors
        as of :meth:`PromptPredictor.predict`.
        """
        places, kinds = checked_prompts(points, labels, self.shape)
        answers: list[tuple[Candidate, ...]] = [()] * len(places)
        numbers = np.flatnonzero((kinds != PADDING).any(axis=1))
        for chosen, part in self._answered(places, kinds, numbers):
            for index, logit, scores in zip(chosen, self._decoder.logits(part), part.qualities(), strict=True):
                answers[index] = self._enlargement.candidates(logit, scores)
        return answers

    def predict_boxes(self, boxes: FloatArray) -> list[tuple[Candidate, ...]]:
        """Answer boxes (B, 4) of (x0, y0, x1, y1) with up to three masks each, smallest first.

        Raises ValueError when a box is empty, not finite, or lies outside the image.
        """
        corners = checked_boxes(boxes, self.shape)[:, [1, 0, 3, 2]]
        answers: list[tuple[Candidate, ...]] = []
        for chosen in self._parts(np.arange(len(corners))):
            with torch.inference_mode():
                part = self._decoder.answer(self._embedded_boxes(corners[chosen]))
            for logit, scores in zip(self._decoder.logits(part), part.qualities(), strict=True):
                answers.append(self._enlargement.candidates(logit, scores))
        return answers

    def draft(self, points: FloatArray, labels: PointLabels) -> SamDrafted:
        """Answer B prompts at every fourth logit; masks in full, as :meth:`predict` gives them, only when needed.

        Raises ValueError when a point lies outside the image, or shapes or labels are wrong.
        """
        places, kinds = checked_prompts(points, labels, self.shape)
        numbers = np.flatnonzero((kinds != PADDING).any(axis=1))
        return SamDrafted(self._decoder, self._enlargement, list(self._answered(places, kinds, numbers)))

    def _answered(
        self, places: NDArray[np.float64], kinds: NDArray[np.int64], numbers: NDArray[np.int64]
    ) -> Iterator[tuple[NDArray[np.int64], Answers]]:
        """Prompts that fit into the memory together, and what the decoder computes of them."""
        for chosen in self._parts(numbers):
            with torch.inference_mode():
                part = self._decoder.answer(self._embedded(self._model(), places[chosen], kinds[chosen]))
            yield chosen, part

    def _parts(self, numbers: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
        """Numbers of prompts, in groups of a size that suits the device."""
        if not len(numbers):
            return
        on_cpu = self._model().device.type == "cpu"
        together = min(PROMPTS_AT_ONCE, PROMPTS_AT_ONCE_ON_A_CPU) if on_cpu else PROMPTS_AT_ONCE
        for start in range(0, len(numbers), together):
            yield numbers[start : start + together]

    def _embedded_boxes(self, corners: NDArray[np.float64]) -> torch.Tensor:
        """Embeddings (B, 2, 256) of boxes (B, 4) of (x0, y0, x1, y1) in image pixels."""
        model = self._model()
        scaled = ResizeLongestSide(model.image_encoder.img_size).apply_boxes(corners, self.shape)
        coordinates = torch.as_tensor(scaled, dtype=torch.float32, device=model.device)
        sparse: torch.Tensor = model.prompt_encoder(points=None, boxes=coordinates, masks=None)[0]
        return sparse

    def _embedded(self, model: Sam, places: NDArray[np.float64], kinds: NDArray[np.int64]) -> torch.Tensor:
        """Embeddings (B, N + 1, 256) of prompts in image pixels."""
        scaled = ResizeLongestSide(model.image_encoder.img_size).apply_coords(places, self.shape)
        coordinates = torch.as_tensor(scaled, dtype=torch.float32, device=model.device)
        points = (coordinates, torch.as_tensor(kinds, dtype=torch.int32, device=model.device))
        sparse: torch.Tensor = model.prompt_encoder(points=points, boxes=None, masks=None)[0]
        return sparse

    @cached_property
    def _decoder(self) -> LeanDecoder:
        model = self._model()
        with torch.inference_mode():
            unmasked = model.prompt_encoder.no_mask_embed.weight.reshape(1, -1, 1, 1)
            image = self._embedding.to(model.device) + unmasked
            return LeanDecoder(model.mask_decoder, image, model.prompt_encoder.get_dense_pe())

    @cached_property
    def _enlargement(self) -> Enlargement:
        return _enlargement(self._model(), self.shape)


class SamBackbone:
    """ViT-B, ViT-L or ViT-H; weights are read when the first image needs them, and once.

    Everything computes in float32: bfloat16 would be faster on a GPU, and its embeddings would not be those of a CPU,
    which shares the cache. Several threads may use one instance. ``weights`` is a checkpoint in the official format;
    None draws random weights from ``seed``, for timing and tests. ``device`` None takes a GPU when there is one. Raises
    ConfigError when the device does not exist.
    """

    def __init__(
        self,
        name: str,
        weights: Path | None,
        cache: EmbeddingCache,
        *,
        device: str | None = None,
        seed: int = 0,
    ) -> None:
        self._name = name
        self._weights = weights
        self._cache = cache
        self._device = resolve_device(device)
        self._seed = seed
        self._lock = Lock()
        self._loaded: Sam | None = None

    @property
    def name(self) -> str:
        """Registry name."""
        return self._name

    traits = Traits("sam", drafts=True, embeds=True)

    @property
    def digest(self) -> str:
        """Hex SHA-256 of the checkpoint, or of what determines random weights."""
        if self._weights is not None:
            return remembered_sha256(self._weights)
        origin = f"segment_anything {self._name} random seed={self._seed} torch={torch.__version__}"
        return hashlib.sha256(origin.encode()).hexdigest()

    def open(self, pixels: Pixels) -> SamImage:
        """Encode an image (H, W), or take its embedding from the cache.

        Raises CheckpointError when the weights cannot be read.
        """
        grey = to_uint8(pixels)
        key = embedding_key(grey, f"{self.digest} {ENCODING}")
        embedding = self._cache.get(key)
        if embedding is None:
            embedding = self._encode(grey)
            self._cache.put(key, embedding)
        return SamImage(self._model, embedding, (grey.shape[0], grey.shape[1]))

    def model(self) -> Sam:
        """The network itself, read when it is first needed; CheckpointError when the weights cannot be read."""
        return self._model()

    @torch.inference_mode()
    def _encode(self, grey: NDArray[np.uint8]) -> torch.Tensor:
        predictor = SamPredictor(self._model())
        predictor.set_image(np.repeat(grey[..., None], 3, axis=2))
        embedding: torch.Tensor = predictor.get_image_embedding()
        return embedding

    def _model(self) -> Sam:
        with self._lock:
            if self._loaded is None:
                model = _random(self._name, self._seed) if self._weights is None else _read(self._name, self._weights)
                self._loaded = model.to(self._device, torch.float32).eval()
            return self._loaded


def is_sam(backbone: Backbone) -> TypeGuard[SamBackbone]:
    """Whether a backbone is of official SAM's architecture, by its traits."""
    return backbone.traits.family == "sam"


def _enlargement(model: Sam, shape: tuple[int, int]) -> Enlargement:
    padded = model.image_encoder.img_size
    used = ResizeLongestSide.get_preprocess_shape(*shape, padded)
    rows, columns = (
        Axis(LOGITS, padded, taken, pixels, model.device) for taken, pixels in zip(used, shape, strict=True)
    )
    return Enlargement(rows, columns, model.mask_threshold)


def _random(name: str, seed: int) -> Sam:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return sam_model_registry[name]()


def _read(name: str, path: Path) -> Sam:
    """Model with the weights of a checkpoint; code in the file is never run (``weights_only``)."""
    what, remedy = f"a checkpoint of {name}", f"run 'curate checkpoints pull {name}' to replace it"
    state = read_state(path, what, remedy)
    with torch.device("meta"):
        model = sam_model_registry[name]()
    try:
        model.load_state_dict(state, strict=True, assign=True)
    except RuntimeError as error:
        raise CheckpointError(f"{path} is not {what}: its tensors are those of another model; {remedy}") from error
    return model
