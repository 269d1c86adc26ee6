"""Parameters of LoRA-SAM with the Phase Learning Module beside table 6 of its paper; no weights are needed.

python benchmarks/plm_parameters.py [--rank 512] [--phases 3]
"""

import argparse

from segment_anything import sam_model_registry

from matcurate.bench.dice import part_parameters
from matcurate.phase.lora import LoraSettings
from matcurate.phase.model import PhaseModel
from matcurate.phase.plm import PlmSettings
from matcurate.phase.sam import SamSegmenter

PAPER = {"fe": 0.0335, "re": 0.0335, "sa": 0.0215, "fa": 1.179, "plm": 1.2}
TOTALS = {False: (22.3, 112.0), True: (23.5, 113.2)}


def main() -> None:
    """Print the table, in millions."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rank", type=int, default=512)
    parser.add_argument("--phases", type=int, default=3)
    options = parser.parse_args()
    segmenter = SamSegmenter(sam_model_registry["vit_b"](), options.phases, 1024)
    model = PhaseModel(segmenter, options.phases, LoraSettings(rank=options.rank), PlmSettings())
    parts = part_parameters(model)
    trained, total = model.parameter_counts()
    print("| part | here (M) | paper, table 6 (M) |\n|---|---|---|")
    for name, number in parts.items():
        print(f"| {name} | {number / 1e6:.4f} | {PAPER.get(name, '–')} |")
    for module, name in ((False, "LoRA-SAM"), (True, "LoRA-SAM + PLM")):
        less = 0 if module else parts["plm"]
        for word, number, theirs in zip(("trained", "in all"), (trained, total), TOTALS[module], strict=True):
            print(f"| {name}, {word} | {(number - less) / 1e6:.2f} | {theirs} |")


if __name__ == "__main__":
    main()
