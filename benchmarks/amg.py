"""MatSAM's decoding beside SAM's own generator: seconds, their ratio, and what they are spent on, in one run.

python benchmarks/amg.py [--side 32] [--size 768x1024] [--kind precipitates] [--backbone vit_b] [--defaults]

With ``--defaults`` each does what ``curate bench segment`` asks by default: its own prompts and filters. Else both
get the same grid of points and take masks of any quality: the filters of quality and stability are opened, so both
carry every mask of every prompt into their suppression. Image and random weights are the same. Random weights find
nothing, so this is about time alone. CPU seconds hardly depend on what else runs; wall seconds stand beside.
"""

import argparse
import functools
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import numpy as np
import segment_anything.automatic_mask_generator as official
from segment_anything import SamAutomaticMaskGenerator, SamPredictor
from segment_anything.modeling import MaskDecoder, Sam
from segment_anything.utils.amg import build_point_grid

from matcurate.config import load_preset
from matcurate.imaging.synth.registry import generate
from matcurate.promptable.decoder import LeanDecoder
from matcurate.promptable.enlarge import Enlargement
from matcurate.promptable.registry import load_backbone
from matcurate.promptable.sam import is_sam
from matcurate.segmentation.amg import AmgSettings
from matcurate.segmentation.matsam import frugal
from matcurate.segmentation.matsam.frugal import decode_frugally
from matcurate.segmentation.matsam.pipeline import MatSam, MatSamPreset
from matcurate.segmentation.matsam.suppress import suppress
from matcurate.types import Candidate

SPENT: dict[str, float] = defaultdict(float)


def clocked(owner: object, name: str, stage: str) -> None:
    """Add the CPU seconds of a function to a stage."""
    work: Callable[..., object] = getattr(owner, name)

    @functools.wraps(work)
    def timed(*arguments: object, **options: object) -> object:
        start = time.process_time()
        try:
            return work(*arguments, **options)
        finally:
            SPENT[stage] += time.process_time() - start

    setattr(owner, name, timed)


def run(label: str, work: Callable[[], int]) -> tuple[float, float]:
    """CPU and wall seconds of one way, printed with its stages."""
    SPENT.clear()
    cpu, wall = time.process_time(), time.perf_counter()
    masks = work()
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    print(f"\n{label}: {cpu:.1f} CPU s, {wall:.1f} s, {masks} masks left\n\n| stage | CPU s | share |\n|---|---:|---:|")
    for stage, seconds in SPENT.items():
        print(f"| {stage} | {seconds:.1f} | {seconds / cpu:.0%} |")
    rest = cpu - sum(SPENT.values())
    print(f"| rest | {rest:.1f} | {rest / cpu:.0%} |", flush=True)
    return cpu, wall


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--side", type=int, default=32, help="points along one side; 32 is the generator's default")
    parser.add_argument("--size", default="768x1024", help="HxW")
    parser.add_argument("--kind", default="precipitates", help="generated kind")
    parser.add_argument("--backbone", default="vit_b")
    parser.add_argument("--defaults", action="store_true", help="each with its own prompts and filters")
    chosen = parser.parse_args()
    height, width = (int(edge) for edge in chosen.size.split("x"))
    pixels = generate(chosen.kind, (height, width), np.random.default_rng(0)).pixels
    points = build_point_grid(chosen.side) * (width, height)

    clocked(SamPredictor, "set_image", "encode")
    clocked(MaskDecoder, "forward", "decode")
    clocked(Sam, "postprocess_masks", "upsample")
    clocked(official, "calculate_stability_score", "score")
    clocked(official, "batched_mask_to_box", "score")
    clocked(official, "mask_to_rle_pytorch", "run lengths")
    clocked(official.MaskData, "cat", "copies of run lengths")
    clocked(official, "batched_nms", "suppress")
    clocked(LeanDecoder, "answer", "decode")
    clocked(LeanDecoder, "logits", "logits")
    clocked(Enlargement, "candidate", "upsample")
    clocked(frugal._Survivors, "admit", "suppress")

    with tempfile.TemporaryDirectory() as cache:
        backbone = load_backbone(chosen.backbone, Path(cache), random_weights=True)
        if not is_sam(backbone):
            raise SystemExit("name a backbone of SAM's architecture")
        model = backbone.model()

        def ours() -> int:
            if chosen.defaults:
                found = MatSam(backbone, load_preset("phases", MatSamPreset, "presets")).segment(pixels)
                return found.masks or 0
            decoded = decode_frugally(backbone.open(pixels), points)
            start = time.process_time()
            left: tuple[Candidate, ...] = suppress(decoded.candidates, 0.7)
            SPENT["suppress"] += time.process_time() - start
            print(f"\n{decoded.decoded} prompts decoded, {decoded.drafted} masks drafted, {decoded.made} made in full")
            return len(left)

        def theirs() -> int:
            settings = AmgSettings() if chosen.defaults else AmgSettings(points_per_side=chosen.side).without_filters()
            return len(SamAutomaticMaskGenerator(model, **settings.model_dump()).generate(np.dstack([pixels] * 3)))

        mine = run("matsam", ours)
        amg = run("amg", theirs)
    asked = "prompts of its own" if chosen.defaults else f"{len(points)} prompts each"
    print(f"\n{asked}; amg / matsam: {amg[0] / mine[0]:.1f} in CPU s, {amg[1] / mine[1]:.1f} in s")


if __name__ == "__main__":
    main()
