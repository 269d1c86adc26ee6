"""The neighbourhood of a pixel: its predictors, seen as shifted views of the image and never copied for all pixels."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Grey = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Neighbourhood:
    """The square of edge 2 * ``half`` + 1 pixels around a pixel, without the pixel itself, row by row.

    >>> Neighbourhood(5).count
    120
    """

    half: int = 5

    def __post_init__(self) -> None:
        if self.half < 1:
            raise ValueError(f"half must be at least 1, got {self.half}")

    @property
    def count(self) -> int:
        """Number m of predictors."""
        return (2 * self.half + 1) ** 2 - 1

    def centre(self, image: Grey) -> Grey:
        """The pixels (H - 2 half, W - 2 half) of an image (H, W) whose neighbourhood is complete; a view."""
        return image[self.half : -self.half, self.half : -self.half]

    def shifted(self, image: Grey) -> Iterator[Grey]:
        """Each predictor of all those pixels, as views (H - 2 half, W - 2 half) of the image."""
        height, width = (length - 2 * self.half for length in image.shape)
        for index in range(self.count + 1):
            if index != self.count // 2:
                row, column = divmod(index, 2 * self.half + 1)
                yield image[row : row + height, column : column + width]

    def sample(self, image: Grey, count: int, rng: np.random.Generator) -> tuple[Grey, Grey]:
        """Predictors (n, m) and values (n,) of ``count`` pixels drawn without repetition, or of all if they are fewer.

        Raises ValueError when the image holds no whole neighbourhood.
        """
        centre = self.centre(image)
        if min(image.shape) <= 2 * self.half:
            raise ValueError(f"image {image.shape} is smaller than a neighbourhood of {2 * self.half + 1} pixels")
        chosen = rng.permutation(centre.size)[:count] if count < centre.size else np.arange(centre.size)
        rows, columns = np.divmod(chosen, centre.shape[1])
        return np.stack([view[rows, columns] for view in self.shifted(image)], axis=1), centre[rows, columns]
