"""How often a class that nobody has named is flagged as new, and recognised once it has been named.

    python benchmarks/classes.py superalloy=DIR/superalloy ebc=DIR/ebc uhcs=DIR/uhcs --home HOME

Every class in turn is the new one, among each of the others alone and among all of them. Of the known classes some
micrographs are named; then the new class's micrographs are in the pool; then as many of it are named. What is measured
are the micrographs that were not named: through the same functions as ``curate classes``.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from matcurate.config import load_settings
from matcurate.workflows.classes import ClassOverview, name_micrographs, overview
from matcurate.workflows.home import Workspace, initialise, open_workspace
from matcurate.workflows.ingest import ingest_files


@dataclass(frozen=True)
class Story:
    """Shares of unnamed micrographs, and accuracy of held-out crops of the known classes in percent."""

    flagged_known: float
    flagged_new: float
    recognised_new: float
    flagged_later: float
    right_known: float
    right_known_later: float
    before: float
    after: float


def main() -> None:
    """Print a table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("classes", nargs="+", metavar="NAME=DIR[,DIR]")
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--named", type=int, default=4, help="Micrographs of a class to name; all but one where fewer.")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--retraining", choices=("afresh", "onward", "off"), default="afresh")
    given = parser.parse_args()
    folders = {
        name: [Path(each) for each in text.split(",")] for name, _, text in (c.partition("=") for c in given.classes)
    }
    print(
        "| known | new | known flagged | new flagged | named: recognised | still flagged "
        "| known right | then | crops | then |"
    )
    print("|---|---|" + "---:|" * 8)
    for new in folders:
        others = [name for name in folders if name != new]
        for known in [*([name] for name in others), *([others] if len(others) > 1 else [])]:
            rows = [story(given, folders, known, new, seed) for seed in range(given.seeds)]
            means = {key: float(np.mean([getattr(row, key) for row in rows])) for key in Story.__dataclass_fields__}
            spread = " … ".join(f"{100 * pick(row.after - row.before for row in rows):+.1f}" for pick in (min, max))
            print(
                f"| {', '.join(known)} | {new} | {means['flagged_known']:.0%} | {means['flagged_new']:.0%} | "
                f"{means['recognised_new']:.0%} | {means['flagged_later']:.0%} | {means['right_known']:.1%} | "
                f"{means['right_known_later']:.1%} | {means['before']:.1%} | {means['after']:.1%} ({spread}) |",
                flush=True,
            )


def story(
    given: argparse.Namespace, folders: dict[str, list[Path]], known: Sequence[str], new: str, seed: int
) -> Story:
    """One story from its beginning, in a project of its own; embeddings are kept for all."""
    project = f"{'+'.join(known)} {new} {given.retraining} {given.named} {seed}"
    initialise(load_settings(given.home), project)
    settings = load_settings(given.home)
    classes = settings.classes.model_copy(update={"retraining": given.retraining})
    workspace = open_workspace(settings.model_copy(update={"classes": classes}))
    ids = {name: taken(workspace, folders[name]) for name in (*known, new)}
    rng = np.random.default_rng(seed)
    parted = {name: parts(rng.permutation(found), given.named) for name, found in ids.items()}
    for name in known:
        name_micrographs(workspace, name, parted[name][0], seed=seed)
    first = overview(workspace)
    old = {each: name for name in known for each in parted[name][1]}
    fresh = dict.fromkeys(ids[new], new)
    change = name_micrographs(workspace, new, parted[new][0], seed=seed)
    second = overview(workspace)
    later = dict.fromkeys(parted[new][1], new)
    return Story(
        flagged_known=flagged(first, old),
        flagged_new=flagged(first, fresh),
        recognised_new=right(second, later),
        flagged_later=flagged(second, later),
        right_known=right(first, old),
        right_known_later=right(second, old),
        before=change.before.crops if change.before else 0.0,
        after=change.after.crops if change.after else 0.0,
    )


def taken(workspace: Workspace, folders: Sequence[Path]) -> list[int]:
    """Ids of the micrographs of folders."""
    report = ingest_files(workspace, folders)
    return [each.id for each in (*report.added, *report.known)]


def parts(ids: Sequence[int], named: int) -> tuple[list[int], list[int]]:
    """Those to name, and at least one to measure on."""
    count = min(named, len(ids) - 1)
    return [int(each) for each in ids[:count]], [int(each) for each in ids[count:]]


def flagged(found: ClassOverview, asked: dict[int, str]) -> float:
    """Share of micrographs that are in the queue."""
    queue = {each.micrograph_id for each in found.queue}
    return float(np.mean([each in queue for each in asked]))


def right(found: ClassOverview, asked: dict[int, str]) -> float:
    """Share of micrographs whose most probable class is theirs, flagged or not."""
    answers = {each.micrograph_id: each.similar[0].name for each in (*found.queue, *found.recognised)}
    return float(np.mean([answers[each] == name for each, name in asked.items()]))


if __name__ == "__main__":
    main()
