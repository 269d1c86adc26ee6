"""What assigns crops to materials: k-means on embeddings without labels, or a classifier that the user provides."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans

from matcurate.segmentation.boost.clustering import Labels, Scaling
from matcurate.segmentation.boost.crops import Places, Region, cut, embedded
from matcurate.segmentation.boost.textures import FeatureMap
from matcurate.types import Pixels


class CropClassifier(Protocol):
    """A supervised classifier of crops (the paper's section 5.2)."""

    def __call__(self, crops: Pixels) -> NDArray[Any]:
        """Classes of crops (N, m, m) in the depth of the image: ids (N,) from 0 on, or probabilities (N, C)."""
        ...


class Judge(Protocol):
    """Assigns crops to materials."""

    @property
    def count(self) -> int:
        """Number of materials."""
        ...

    def __call__(self, region: Region, places: Places) -> Labels:
        """Material (N,) in [0, count) of the crops around ``places`` in a region."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Clustered:
    """K-means on the embeddings of an image's own crops."""

    features: FeatureMap
    crop: int
    scaling: Scaling
    means: KMeans

    @property
    def count(self) -> int:
        """Number of materials."""
        return int(self.means.n_clusters)

    def __call__(self, region: Region, places: Places) -> Labels:
        """Cluster of each crop."""
        scaled = self.scaling(embedded(self.features, region, places, self.crop))
        return np.asarray(self.means.predict(scaled.astype(np.float64)), dtype=np.int64)


class Classified:
    """Classes of crops of edge ``crop`` by a classifier of pixels, which receives N crops at a time."""

    def __init__(self, pixels: Pixels, crop: int, classifier: CropClassifier) -> None:
        self._pixels = pixels
        self._crop = crop
        self._classifier = classifier
        self._largest = -1

    @property
    def count(self) -> int:
        """Number of classes: of the probabilities, or one more than the largest id so far."""
        return self._largest + 1

    def __call__(self, region: Region, places: Places) -> Labels:
        """Class of each crop, surroundings of the region included.

        Raises ValueError when the classifier gives neither ids (N,) from 0 on nor probabilities (N, C).
        """
        answer = np.asarray(self._classifier(cut(self._pixels, places, self._crop)))
        if answer.shape[:1] != (len(places),) or answer.ndim not in (1, 2):
            raise ValueError(f"{len(places)} crops need ids (N,) or probabilities (N, C), got {answer.shape}")
        ids = answer.argmax(axis=1) if answer.ndim == 2 else answer
        if ids.dtype.kind not in "iu" or ids.min() < 0:
            raise ValueError(f"class ids are whole numbers from 0 on, got {ids.dtype} from {ids.min()}")
        largest = answer.shape[1] - 1 if answer.ndim == 2 else int(ids.max())
        self._largest = max(self._largest, largest)
        return ids.astype(np.int64)
