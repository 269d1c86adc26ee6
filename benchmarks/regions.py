"""How well micrographs are parted into regions of one texture: on generated textures, alone and side by side.

    python benchmarks/regions.py [IMAGES ...]

Prints how many single textures are parted, how many pairs are parted in two, and the share of cells on the right side;
then the regions of the images that are named, and CPU seconds for an image of 768 x 1024.
"""

import argparse
import time
from pathlib import Path

import numpy as np

from matcurate.imaging import read_micrograph, texture
from matcurate.segmentation.homogeneous import TextureRegion, texture_labels, texture_regions
from matcurate.types import Pixels

SHAPE = (384, 512)


def main() -> None:
    """Print all of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("images", nargs="*", type=Path)
    parser.add_argument("--textures", type=int, default=30)
    parser.add_argument("--seed", type=int, default=5000)
    parser.add_argument("--crop", type=int, default=128)
    given = parser.parse_args()
    rng = np.random.default_rng(given.seed)
    alone = [texture(SHAPE, rng) for _ in range(given.textures)]
    print(f"single textures parted: {sum(count(each, given.crop) > 1 for each in alone)} of {len(alone)}")
    pairs = [side_by_side(one, other) for one, other in zip(alone, [*alone[1:], alone[0]], strict=True)]
    right = [share_right(each, given.crop) for each in pairs]
    found = [each for each in right if each is not None]
    print(
        f"pairs parted in two: {len(found)} of {len(pairs)}, cells right: {np.mean(found):.3f}, least {min(found):.3f}"
    )
    for path in given.images:
        print(path.name, *(f"{each.share:.2f}" for each in regions(read_micrograph(path).pixels, given.crop)))
    large = texture((768, 1024), rng)
    begun = time.process_time()
    regions(large, given.crop)
    print(f"768 x 1024: {time.process_time() - begun:.2f} CPU s")


def regions(pixels: Pixels, crop: int) -> tuple[TextureRegion, ...]:
    """As ``curate classes`` finds them."""
    return texture_regions(pixels, crop, np.random.default_rng(0))


def count(pixels: Pixels, crop: int) -> int:
    """Number of regions."""
    return len(regions(pixels, crop))


def side_by_side(left: Pixels, right: Pixels) -> Pixels:
    """Left half of one texture, right half of another."""
    half = SHAPE[1] // 2
    return np.hstack([left[:, :half], right[:, half:]])


def share_right(pixels: Pixels, crop: int) -> float | None:
    """Share of cells on the right side of the border; None where there are not two regions."""
    labels = texture_labels(pixels, crop, np.random.default_rng(0))
    if labels.max() != 2:
        return None
    truth = np.arange(labels.shape[1]) >= labels.shape[1] / 2
    same = float(((labels == 1) == truth).mean())
    return max(same, 1 - same)


if __name__ == "__main__":
    main()
