"""What official SAM's encoder saw reaches the booster without the padding."""

import numpy as np
import torch

from matcurate.promptable.sam import SamImage


class Model:
    """As much of SAM as the size of its padding."""

    class image_encoder:
        img_size = 1024


def test_features_cover_the_image_and_not_the_padding() -> None:
    embedding = torch.arange(2 * 64 * 64, dtype=torch.float32).reshape(1, 2, 64, 64)
    image = SamImage(Model, embedding, (96, 160))  # scaled to 614 × 1024: 39 of 64 rows of cells
    features = image.features()
    assert features.shape == (39, 64, 2)
    assert features[38, 5].tolist() == [38 * 64 + 5, 64 * 64 + 38 * 64 + 5]
    assert features.dtype == np.float32
