"""The official SAM checkpoints: where they are published and how to know them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

BASE_URL = "https://dl.fbaipublicfiles.com/segment_anything"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A published file of weights.

    Parameters
    ----------
    name : str
        Registry name of the backbone.
    filename : str
        Name in the store.
    url : str
        Where its authors publish it.
    size : int
        Bytes, positive.
    sha256 : str
        Hex digest of the whole file.
    """

    name: str
    filename: str
    url: str
    size: int
    sha256: str

    @property
    def by_hand(self) -> str:
        """How to get the file in without a network."""
        return (
            f"where there is no network, fetch {self.url} elsewhere and run "
            f"'curate checkpoints pull {self.name} --from FILE'"
        )


def _official(name: str, filename: str, size: int, sha256: str) -> Checkpoint:
    return Checkpoint(name, filename, f"{BASE_URL}/{filename}", size, sha256)


OFFICIAL: Mapping[str, Checkpoint] = {
    checkpoint.name: checkpoint
    for checkpoint in (
        _official(
            "vit_b",
            "sam_vit_b_01ec64.pth",
            375_042_383,
            "ec2df62732614e57411cdcf32a23ffdf28910380d03139ee0f4fcbe91eb8c912",
        ),
        _official(
            "vit_l",
            "sam_vit_l_0b3195.pth",
            1_249_524_607,
            "3adcc4315b642a4d2101128f611684e8734c41232a17c648ed1693702a49a622",
        ),
        _official(
            "vit_h",
            "sam_vit_h_4b8939.pth",
            2_564_550_879,
            "a7bf3b02f3ebf1267aba913ff637d9a2d5c33d3173bb679e46d9f338c26f262e",
        ),
    )
}
"""Weights of Kirillov et al. 2023, *Segment Anything*, at the addresses of the authors' README.

The authors publish no digests. These agree between independent public projects that pin all three files:
mazurowski-lab/SlicerSegmentWithSAM and norqis/mozarie; the latter also pins the sizes, as lllyasviel/Fooocus
does for two of them. The hex digits in the file names are no part of the SHA-256.
"""
