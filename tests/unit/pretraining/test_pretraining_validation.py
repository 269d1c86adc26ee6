"""Scores of a network whose outputs are known."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from matcurate.imaging.dataset import write_sample
from matcurate.pretraining.pictures import Folder, Picture, Pool, outline
from matcurate.pretraining.validation import GENERATED, validate, validation_pictures
from tests.unit.pretraining.pretraining_samples import discs


class Bright(nn.Module):
    """What is brighter than the mean is foreground; left of column 40 is boundary."""

    def __init__(self) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.tensor(50.0))

    def forward(self, images: Tensor) -> Tensor:
        columns = torch.arange(images.shape[-1]).expand_as(images)
        boundary = 20.0 - 40.0 * (columns >= 40)
        return torch.cat([self.gain * images, boundary, boundary, boundary], dim=1)


def test_foregrounds_are_scored_by_overlap_and_unknown_ones_by_their_outlines() -> None:
    picture = discs()
    half = picture.foreground.copy()
    half[:, :48] = 0  # the truth lacks the left half
    wrong = Picture(picture.grey, picture.objects, half, picture.distance, "half")
    unknown = Picture(picture.grey, picture.objects, half * 0 - 1, picture.distance, "grains")
    scores = validate(Bright(), [picture, wrong, unknown])  # type: ignore[arg-type]
    assert scores["discs"] == pytest.approx(1.0)
    truth, found = half > 0, picture.objects > 0
    overlaps = [np.sum(a & b) / np.sum(a | b) for a, b in ((truth, found), (~truth, ~found))]
    assert scores["half"] == pytest.approx(np.mean(overlaps))
    lines, left = outline(picture.objects), np.zeros((96, 96), dtype=bool)
    left[:, :40] = True
    assert scores["grains"] == pytest.approx(2 * np.sum(lines & left) / (lines.sum() + left.sum()))


def test_scores_are_means_by_source() -> None:
    picture = discs()
    empty = Picture(picture.grey, picture.objects, picture.foreground * 0, picture.distance, "discs")
    two = validate(Bright(), [picture, empty])  # type: ignore[arg-type]
    alone = validate(Bright(), [empty])  # type: ignore[arg-type]
    assert two["discs"] == pytest.approx((1 + alone["discs"]) / 2)
    assert validate(Bright(), []) == {}  # type: ignore[arg-type]


def test_all_pictures_of_folders_and_the_first_of_pools_are_kept_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Pool, "picture", lambda self, number: (self.name, number))
    folder = tmp_path / "lab" / "val"
    write_sample(folder, "a", discs().grey, (discs().objects > 0).astype(np.uint8))
    pools = [Pool(kind, 96, 9, 0, tmp_path, known=True) for kind in ("film", "powder")]
    first, *rest = validation_pictures([Folder(folder, ())], pools)
    assert first.source == "lab/val"
    assert rest == [(kind, number) for kind in ("film", "powder") for number in range(GENERATED)]
