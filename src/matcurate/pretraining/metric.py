"""Learn the metric and the selector of ``curate discover`` from generated textures and their collages."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import yaml
from numpy.typing import NDArray
from pydantic import Field
from scipy.ndimage import binary_erosion

from matcurate import __version__
from matcurate.config import Share, Strict, load_preset, preset_file
from matcurate.errors import CheckpointError, ConfigError, DatasetError
from matcurate.imaging import find_images, generate, kind_named, read_micrograph, texture
from matcurate.promptable.builtin.standard import standardised
from matcurate.promptable.digests import sha256_of
from matcurate.segmentation.collage import Collage, Collages, CollageSettings, Grey
from matcurate.segmentation.discovery.encoder import STRIDE
from matcurate.segmentation.discovery.engines import (
    ENGINES,
    EngineName,
    LearnedEngine,
    projected_views,
    raw_features,
    save_engine,
)
from matcurate.segmentation.discovery.metric import Metric, Scatter
from matcurate.segmentation.discovery.paths import Split, split_path
from matcurate.segmentation.discovery.selector import Selector, fit_selector
from matcurate.types import Progress, silent

RECIPES = "pretrain"
INTERIOR = 5
"""Places of features that a texture loses along its border before the metric learns from it."""


class MetricRecipe(Strict):
    """What the metric and the selector are learned from."""

    trains: Literal["metric"] = "metric"
    name: str = Field(pattern=r"^[a-z0-9_]+$")
    engines: tuple[EngineName, ...] = Field(default=ENGINES, description="Engines to learn for.")
    textures: int = Field(default=200, ge=8, description="Generated textures.")
    kinds: tuple[str, ...] = Field(
        default=(), description="Kinds of generated micrographs, each taken for one texture."
    )
    micrographs: int = Field(default=0, ge=0, description="Generated micrographs of these kinds.")
    edge: int = Field(default=448, ge=64, description="Edge of a texture in pixels.")
    tones: int = Field(
        default=1,
        ge=1,
        description="Versions of each texture; those after the first have another grey level and contrast.",
    )
    collages: int = Field(default=100, ge=2, description="Collages that the metric is learned from.")
    size: int = Field(default=320, ge=64, description="Edge of such a collage in pixels.")
    regions: tuple[int, int] = Field(default=(3, 5), description="Smallest and largest number of regions in it.")
    choices: int = Field(default=240, ge=4, description="Collages that the selector is learned from.")
    sizes: tuple[int, ...] = Field(default=(256, 320, 384, 448), description="Edges of such a collage in pixels.")
    most: int = Field(default=5, ge=2, le=7, description="Largest number of regions in such a collage.")
    single: Share = Field(default=0.3, description="Share of them that show one texture.")
    apart: Share = Field(default=0.4, description="Share of the textures that the selector alone learns from.")


@dataclass(frozen=True, slots=True)
class MetricReport:
    """Files that were written, by engine, and the share of the selector's own collages with the right number."""

    recipe: str
    textures: int
    weights: dict[EngineName, str]
    sha256: dict[EngineName, str]
    right: dict[EngineName, float]


def is_metric(config: str) -> bool:
    """Whether a recipe in ``configs/pretrain``, or a YAML file, is one of a metric; ConfigError when it is missing."""
    try:
        content = yaml.safe_load(preset_file(config, RECIPES).read_text())
    except yaml.YAMLError:
        return False  # the recipe of the network refuses it
    return isinstance(content, dict) and content.get("trains") == "metric"


def pretrain_metric(
    config: str, out: Path, *, real: Sequence[Path] = (), seed: int = 0, progress: Progress = silent
) -> MetricReport:
    """Learn metric and selector of each engine, and write ``ENGINE.safetensors`` into ``out``.

    ``real`` are folders of images, each of one texture, that are learned from beside the generated ones. Raises
    ConfigError for a wrong recipe, DatasetError or UnreadableImageError for images that cannot be read,
    CheckpointError when ``out`` cannot be written to.
    """
    recipe = load_preset(config, MetricRecipe, RECIPES)
    for kind in recipe.kinds:
        kind_named(kind)
    if recipe.micrographs and not recipe.kinds:
        raise ConfigError(f"{config}: micrographs of no kind; name kinds, or set micrographs to 0")
    textures = [*generated(recipe, seed, progress), *_read(real)]
    order = np.random.default_rng((seed, 0)).permutation(len(textures))
    kept = int(recipe.apart * len(textures))
    chosen, learned = ([textures[index] for index in part] for part in (order[:kept], order[kept:]))
    weights, digests, right = {}, {}, {}
    for name in recipe.engines:
        metric = learned_metric(name, learned, recipe, seed, progress)
        selector, share = learned_selector(name, metric, chosen, recipe, seed, progress)
        path = out / f"{name}.safetensors"
        notes = {
            "recipe": recipe.model_dump_json(),
            "seed": str(seed),
            "real": ", ".join(folder.name for folder in real),
            "matcurate": __version__,
        }
        try:
            out.mkdir(parents=True, exist_ok=True)
            save_engine(path, LearnedEngine(name, metric, selector), notes)
        except OSError as error:
            raise CheckpointError(f"{out}: cannot be written to ({error.strerror}); choose another folder") from error
        weights[name], digests[name], right[name] = str(path), sha256_of(path), share
    return MetricReport(recipe.name, len(textures), weights, digests, right)


def generated(recipe: MetricRecipe, seed: int, progress: Progress = silent) -> list[Grey]:
    """Textures and micrographs (edge, edge) of the recipe, standardised."""
    size, total, images = (recipe.edge, recipe.edge), recipe.textures + recipe.micrographs, []
    for index in range(total):
        progress(index, total, "textures")
        rng = np.random.default_rng((seed, 1, index))
        if index < recipe.textures:
            images.append(standardised(texture(size, rng)))
        else:
            kind = recipe.kinds[index % len(recipe.kinds)]
            images.append(standardised(generate(kind, size, rng).pixels))
    return images


def learned_metric(
    engine: EngineName, textures: Sequence[Grey], recipe: MetricRecipe, seed: int, progress: Progress = silent
) -> Metric:
    """Learn the metric of an engine from collages of textures."""
    scatter: Scatter | None = None
    settings = CollageSettings(size=(recipe.size, recipe.size), regions=recipe.regions)
    collages = Collages([toned(image, recipe.tones, (seed, 5, at)) for at, image in enumerate(textures)], settings)
    for index in range(recipe.collages):
        progress(index, recipe.collages, f"{engine}: metric")
        collage = collages.collage(seed, index)
        image = standardised(collage.grey)
        field = raw_features(engine, image, np.random.default_rng((seed, 2, index)))
        labels = at_places(collage.labels)
        inside = np.zeros(labels.shape, dtype=np.bool_)
        for number in np.unique(labels):
            inside |= binary_erosion(labels == number, iterations=INTERIOR, border_value=1)
        scatter = scatter or Scatter(field.shape[2])
        scatter.add(field[::2, ::2], labels[::2, ::2], inside[::2, ::2])
    if scatter is None:
        raise ConfigError(f"{recipe.name}: no collages to learn from; raise collages")
    return scatter.metric()


def learned_selector(
    engine: EngineName,
    metric: Metric,
    textures: Sequence[Grey],
    recipe: MetricRecipe,
    seed: int,
    progress: Progress = silent,
) -> tuple[Selector, float]:
    """Learn the selector, and the share of their collages with the right number of regions."""
    paths: list[tuple[Split, ...]] = []
    counts: list[int] = []
    for index, collage in enumerate(_choices(textures, recipe, seed)):
        progress(index, recipe.choices, f"{engine}: selector")
        rng = np.random.default_rng((seed, 3, index))
        views = projected_views(engine, standardised(collage.grey), metric, rng)
        paths.append(split_path(views.broad, rng))
        counts.append(len(np.unique(collage.labels)))
    selector = fit_selector(paths, counts)
    right = [selector.count(path) == count for path, count in zip(paths, counts, strict=True)]
    return selector, float(np.mean(right))


def toned(image: Grey, versions: int, seed: tuple[int, ...]) -> list[Grey]:
    """The image, and versions with .4 to 1 of its contrast around a grey level within two of its deviations."""
    rng, spread = np.random.default_rng(seed), float(image.std())
    return [
        image,
        *((image * rng.uniform(0.4, 1) + spread * rng.uniform(-2, 2)).astype(np.float32) for _ in range(versions - 1)),
    ]


def at_places(labels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Labels at the middle of each place of features."""
    return labels[STRIDE // 2 :: STRIDE, STRIDE // 2 :: STRIDE]


def _choices(textures: Sequence[Grey], recipe: MetricRecipe, seed: int) -> Iterator[Collage]:
    rng = np.random.default_rng((seed, 4))
    classes = [toned(image, recipe.tones, (seed, 6, at)) for at, image in enumerate(textures)]
    for index in range(recipe.choices):
        edge = int(rng.choice(recipe.sizes))
        regions = (1, 1) if rng.random() < recipe.single else (2, recipe.most)
        settings = CollageSettings(size=(edge, edge), regions=regions)
        yield Collages(classes, settings).collage(seed + 1, index)


def _read(folders: Sequence[Path]) -> list[Grey]:
    images, problems = find_images(folders)
    if problems:
        raise DatasetError(problems[0])
    return [standardised(read_micrograph(path).pixels) for path in images]
