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
    print(f"single textures parted: {sum(len(regions(one, given.crop)) > 1 for one in alone)} of {len(alone)}")
    half = SHAPE[1] // 2
    pairs = [
        np.hstack([one[:, :half], next_[:, half:]]) for one, next_ in zip(alone, [*alone[1:], alone[0]], strict=True)
    ]
    shares = [share for pair in pairs if (share := share_right(pair, given.crop)) is not None]
    print(f"pairs parted in two: {len(shares)} of {len(pairs)}", end=", ")
    print(f"cells right: {np.mean(shares):.3f}, least {min(shares):.3f}")
    for path in given.images:
        print(path.name, *(f"{region.share:.2f}" for region in regions(read_micrograph(path).pixels, given.crop)))
    large = texture((768, 1024), rng)
    begun = time.process_time()
    regions(large, given.crop)
    print(f"768 x 1024: {time.process_time() - begun:.2f} CPU s")


def regions(pixels: Pixels, crop: int) -> tuple[TextureRegion, ...]:
    """As ``curate classes`` finds them."""
    return texture_regions(pixels, crop, np.random.default_rng(0))


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
