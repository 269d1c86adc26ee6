"""How many picks of each strategy are wasted on near-duplicates: the table of docs/methods/evidence.md.

python benchmarks/duplicates.py [--seeds 3]

A pool of 200 crops of generated textures; 120 of them are copies of others, shifted by up to 2 pixels, lit otherwise
and with fresh noise. Evidence comes from a head that has learned 8 other textures and 8 of the pool's. A pick is wasted
when the same original, or a copy of it, has been picked before.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from matcurate.acquisition.pool import Pool
from matcurate.acquisition.strategies import STRATEGIES, choose_batch
from matcurate.imaging.synth.textures import texture
from matcurate.learned.embedders import EncoderStatistics
from matcurate.promptable.builtin.shipped import shipped
from matcurate.types import FloatArray, Pixels
from matcurate.uncertainty.dirichlet import class_means, vacuity
from matcurate.uncertainty.head import HeadSettings, begin_head
from matcurate.uncertainty.trainer import HeadTraining, train_head

CROP, EACH, TEXTURES, LEARNED = 48, 4, 20, 8
COPIES, BATCH, DRAWS = 120, 40, 8
SHIFT = 2


def windows(drawn: Pixels, count: int, rng: np.random.Generator) -> list[tuple[int, int]]:
    """Places (top, left) of crops that may still be shifted."""
    highest = np.array(drawn.shape) - CROP - SHIFT
    return [(int(top), int(left)) for top, left in rng.integers(SHIFT, highest + 1, (count, 2))]


def copy(drawn: Pixels, top: int, left: int, rng: np.random.Generator) -> Pixels:
    """A second exposure of nearly the same place."""
    down, right = rng.integers(-SHIFT, SHIFT + 1, 2)
    seen = drawn[top + down : top + down + CROP, left + right : left + right + CROP].astype(np.float64)
    return np.asarray(np.clip(seen * rng.uniform(0.9, 1.1) + rng.normal(0, 3, seen.shape), 0, 255), dtype=np.uint8)


def pool_of(seed: int) -> tuple[Pool, NDArray[np.int64]]:
    """A pool, and which original each candidate shows."""
    rng = np.random.default_rng(seed)
    embed = EncoderStatistics(shipped("cpu"))
    textures = [texture((128, 192), np.random.default_rng((seed, number))) for number in range(TEXTURES + LEARNED)]
    places = [(number, *place) for number in range(TEXTURES) for place in windows(textures[number], EACH, rng)]
    crops = [textures[n][top : top + CROP, left : left + CROP] for n, top, left in places]
    source = list(range(len(places)))
    # Copies are of few originals, as a series of exposures is.
    for original in rng.choice(len(places) // 4, COPIES):
        number, top, left = places[int(original)]
        crops.append(copy(textures[number], top, left, rng))
        source.append(int(original))
    taught = [n for n in range(TEXTURES + LEARNED) if n >= TEXTURES - LEARNED]
    lessons = [
        textures[n][top : top + CROP, left : left + CROP] for n in taught for top, left in windows(textures[n], 16, rng)
    ]
    labels = np.repeat(np.arange(len(taught)), 16)
    learned, looked = embed(np.stack(lessons)), embed(np.stack(crops))
    head = begin_head([str(n) for n in taught], learned, labels, HeadSettings())
    train_head(head, learned, labels, HeadTraining(), rng=rng)
    alpha = head.parameters_of(looked)
    draws = np.stack([dropped(lambda crops: head.infer(crops).logits, looked, rng) for _ in range(DRAWS)])
    return Pool(looked, {"vacuity": vacuity(alpha)}, class_means(alpha), draws), np.array(source)


def dropped(
    logits_of: Callable[[FloatArray], FloatArray], embeddings: NDArray[np.float32], rng: np.random.Generator
) -> NDArray[np.float64]:
    """Probabilities with a tenth of the embedding's numbers replaced by their mean."""
    kept = rng.random(embeddings.shape[1]) > 0.1
    return np.asarray(softmax(logits_of(np.where(kept, embeddings, embeddings.mean(axis=0))), axis=1))


def main() -> None:
    """Print a row for each strategy."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    wasted: dict[str, list[float]] = {name: [] for name in STRATEGIES}
    for seed in range(parser.parse_args().seeds):
        pool, source = pool_of(seed)
        for name in STRATEGIES:
            picked = choose_batch(name, pool, BATCH, rng=np.random.default_rng(seed))
            wasted[name].append(1 - len(np.unique(source[picked])) / BATCH)
    print(f"| strategy | wasted of {BATCH} picks |\n|---|---:|")
    for name, shares in wasted.items():
        print(f"| {name} | {np.mean(shares):.1%} |")


if __name__ == "__main__":
    main()
