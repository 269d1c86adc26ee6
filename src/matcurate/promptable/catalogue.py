"""Published checkpoints, of SAM and of torchvision's classifiers: their addresses, sizes and digests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

BASE_URL = "https://dl.fbaipublicfiles.com/segment_anything"
TORCHVISION_URL = "https://download.pytorch.org/models"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A published file of weights: its name in the registry or torchvision's, bytes, and hex SHA-256."""

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


def _published(url: str, *files: tuple[str, str, int, str]) -> dict[str, Checkpoint]:
    """Checkpoints below a URL, from name, file name, bytes and SHA-256 of each."""
    return {name: Checkpoint(name, file, f"{url}/{file}", size, sha256) for name, file, size, sha256 in files}


OFFICIAL: Mapping[str, Checkpoint] = _published(
    BASE_URL,
    ("vit_b", "sam_vit_b_01ec64.pth", 375_042_383, "ec2df62732614e57411cdcf32a23ffdf28910380d03139ee0f4fcbe91eb8c912"),
    (
        "vit_l",
        "sam_vit_l_0b3195.pth",
        1_249_524_607,
        "3adcc4315b642a4d2101128f611684e8734c41232a17c648ed1693702a49a622",
    ),
    (
        "vit_h",
        "sam_vit_h_4b8939.pth",
        2_564_550_879,
        "a7bf3b02f3ebf1267aba913ff637d9a2d5c33d3173bb679e46d9f338c26f262e",
    ),
)
"""Weights of Kirillov et al. 2023, *Segment Anything*, at the addresses of the authors' README.

The authors publish no digests. These agree between independent public projects that pin all three files:
mazurowski-lab/SlicerSegmentWithSAM and norqis/mozarie; the latter also pins the sizes, as lllyasviel/Fooocus
does for two of them. The hex digits in the file names are no part of the SHA-256.
"""

IMAGENET: Mapping[str, Checkpoint] = _published(
    TORCHVISION_URL,
    (
        "alexnet",
        "alexnet-owt-7be5be79.pth",
        244_408_911,
        "7be5be791159472b1fbf3c69796f7cb30dca7ad8466c2df70058c37116cdee02",
    ),
    (
        "mobilenet_v3_small",
        "mobilenet_v3_small-047dcff4.pth",
        10_306_551,
        "047dcff4addef86ea5bc2eff13c9614dc11f47ab1160d0a71a25e7db994f4e1f",
    ),
    (
        "resnet18",
        "resnet18-f37072fd.pth",
        46_830_571,
        "f37072fd47e89c5e827621c5baffa7500819f7896bbacec160b1a16c560e07ec",
    ),
    (
        "resnet34",
        "resnet34-b627a593.pth",
        87_319_819,
        "b627a593bcbe140c234610266fe4f8ae95ea42fc881d091c9b6052e6b1d0590f",
    ),
    (
        "resnet50",
        "resnet50-0676ba61.pth",
        102_530_333,
        "0676ba61b6795bbe1773cffd859882e5e297624d384b6993f7c9e683e722fb8a",
    ),
)
"""torchvision's classifiers trained on ImageNet (weights ``IMAGENET1K_V1``), at the addresses of its weight enums.

torchvision publishes the first eight digits of each SHA-256, in the file's name, and the size rounded to thousandths of
a MiB; these digests and sizes agree with both, and between independent public projects that pin the files.
"""
