"""Issue's story on generated textures: known, unknown, flagged, named, recognised, and nothing forgotten."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from matcurate.catalog import Box
from matcurate.errors import CatalogError, ConfigError
from matcurate.imaging.synth.textures import texture
from matcurate.workflows.classes import merge, name_micrographs, overview, write_examples
from matcurate.workflows.classes.classes import known_classes
from matcurate.workflows.classes.crops import crop_boxes, cut
from matcurate.workflows.classes.heads import load_class_head
from matcurate.workflows.home import Workspace
from matcurate.workflows.ingest import Provenance, ingest_files
from tests.unit.loop_samples import make_workspace

SHAPE = (128, 192)
SEEDS = {"cells": 0, "weave": 3, "leaves": 5}


@pytest.fixture(scope="module")
def classes_home(tmp_path_factory: pytest.TempPathFactory) -> tuple[Workspace, dict[str, list[int]]]:
    """Four micrographs of each of three textures; crops of 64 pixels."""
    root = tmp_path_factory.mktemp("classes")
    workspace = make_workspace(root / "home", connected=False)
    chosen = workspace.settings.classes.model_copy(update={"crop": 64})
    workspace = Workspace(
        workspace.settings.model_copy(update={"classes": chosen}), workspace.engine, workspace.objects
    )
    ids: dict[str, list[int]] = {}
    for name, seed in SEEDS.items():
        sheet = texture((2 * SHAPE[0], 2 * SHAPE[1]), np.random.default_rng(seed))
        folder = root / name
        folder.mkdir()
        for number in range(4):
            top, left = SHAPE[0] * (number // 2), SHAPE[1] * (number % 2)
            cv2.imwrite(str(folder / f"{name}{number}.png"), sheet[top : top + SHAPE[0], left : left + SHAPE[1]])
        ids[name] = [each.id for each in ingest_files(workspace, [folder]).added]
    return workspace, ids


def queued(workspace: Workspace) -> set[int]:
    return {each.micrograph_id for each in overview(workspace).queue}


def test_a_class_never_seen_is_flagged_named_recognised_and_the_old_ones_stay(classes_home) -> None:
    workspace, ids = classes_home
    first = overview(workspace)
    assert (first.threshold, len(first.queue), first.recognised) == (None, 12, ())
    assert {each.vacuity for each in first.queue} == {1.0}

    alone = name_micrographs(workspace, "cells", ids["cells"][:3])
    assert (alone.added, alone.channel, alone.before, alone.grown, alone.head) == (True, 0, None, None, 1)
    assert queued(workspace) == {*ids["weave"], *ids["leaves"]}

    second = name_micrographs(workspace, "weave", ids["weave"][:3])
    assert (second.channel, second.classes) == (1, ("cells", "weave"))
    found = overview(workspace)
    assert {each.micrograph_id for each in found.queue} == set(ids["leaves"])
    vacuities = [each.vacuity for each in found.queue]
    assert vacuities == sorted(vacuities, reverse=True)
    assert min(vacuities) > found.threshold > max(each.vacuity for each in found.recognised)

    third = name_micrographs(workspace, "leaves", ids["leaves"][:3])
    assert third.after.micrographs >= third.before.micrographs - 0.01
    assert third.after.crops >= third.before.crops - 0.01
    assert third.before.crops > 0.9
    found = overview(workspace)
    right = {ids[name][3]: name for name in SEEDS}
    assert {each.micrograph_id: each.similar[0].name for each in found.recognised} == right
    for each in found.recognised:
        assert sum(like.probability for like in each.similar) == pytest.approx(1)
        for like in each.similar:
            assert {crop.micrograph_id for crop in like.examples} <= set(ids[like.name])
    known = known_classes(workspace)
    assert (known.head.number, load_class_head(workspace, known.head).classes) == (5, third.classes)
    assert (second.grown, second.head, third.grown, third.head) == (2, 3, 4, 5)


def test_the_same_seed_gives_the_same_head_and_another_change_gets_a_new_one(classes_home) -> None:
    workspace, ids = classes_home
    name_micrographs(workspace, "cells", ids["cells"][:3], seed=4)
    before = known_classes(workspace).head
    name_micrographs(workspace, "cells", ids["cells"][:3], seed=4)
    again = known_classes(workspace).head
    assert (again.object_key, again.number) == (before.object_key, before.number + 2)
    name_micrographs(workspace, "cells", ids["cells"][:2], seed=5)
    assert workspace.objects.exists(before.object_key)  # older heads are kept


def test_a_box_can_be_named_and_a_merged_class_goes(classes_home, tmp_path: Path) -> None:
    workspace, ids = classes_home
    before = known_classes(workspace).names
    corner = Box(64, 100, 64, 92)
    added = name_micrographs(workspace, "corner", ids["leaves"][3:], box=corner)
    assert (added.channel, added.micrographs) == (len(before), (ids["leaves"][3],))
    files = write_examples(workspace, "corner", tmp_path / "out")
    assert [path.name for path in files] == [f"corner_{ids['leaves'][3]}_64_114.png"]
    assert cv2.imread(str(files[0]), 0).shape == (64, 64)
    names = {path.name.split("_")[0] for path in write_examples(workspace, str(ids["cells"][3]), tmp_path / "out")}
    assert names == {"asked", "corner", *before}

    merged = merge(workspace, "corner", "leaves" if "leaves" in before else before[0])
    assert "corner" not in merged.classes
    assert ids["leaves"][3] in merged.micrographs
    gone = next(each.record for each in overview(workspace).classes if each.record.name == "corner")
    assert (gone.channel, gone.merged_into) == (None, merged.name)


def test_what_cannot_be_named_is_refused_and_changes_nothing(classes_home, tmp_path: Path) -> None:
    workspace, ids = classes_home
    cv2.imwrite(str(tmp_path / "golden.png"), texture(SHAPE, np.random.default_rng(50)))
    cv2.imwrite(str(tmp_path / "tiny.png"), np.full((20, 50), 9, dtype=np.uint8))
    golden = ingest_files(workspace, [tmp_path / "golden.png"], Provenance(golden=True)).added[0].id
    tiny = ingest_files(workspace, [tmp_path / "tiny.png"]).added[0].id
    before = known_classes(workspace)
    for name, numbers, box, error, problem in (
        ("7", ids["cells"], None, ConfigError, "no name of a class"),
        ("x", [], None, ConfigError, "one or more"),
        ("x", [999], None, CatalogError, "not in this project"),
        ("x", [golden], None, CatalogError, "golden set"),
        ("x", [tiny], None, ConfigError, "too few"),
        ("x", ids["cells"][:1], Box(0, 0, 129, 192), ConfigError, "reaches beyond"),
        ("x", ids["cells"][:2], Box(0, 0, 64, 64), ConfigError, "single one"),
    ):
        with pytest.raises(error, match=problem):
            name_micrographs(workspace, name, numbers, box=box)
    assert known_classes(workspace) == before
    found = overview(workspace)
    assert golden not in {each.micrograph_id for each in (*found.queue, *found.recognised)}
    assert any("tiny" in problem and "too few" in problem for problem in found.problems)
    other = workspace.settings.model_copy(
        update={"classes": workspace.settings.classes.model_copy(update={"crop": 48})}
    )
    if before.head is not None:
        with pytest.raises(ConfigError, match="set them back"):
            overview(Workspace(other, workspace.engine, workspace.objects))


def test_crops_lie_on_a_grid_of_the_box(classes_home) -> None:
    settings = classes_home[0].settings.classes  # crops of 64, four along an edge at most
    assert crop_boxes(Box(10, 20, 130, 64), settings) == (Box(10, 20, 64, 64), Box(76, 20, 64, 64))
    assert crop_boxes(Box(0, 0, 40, 100), settings) == (Box(0, 0, 40, 40), Box(0, 60, 40, 40))
    places = crop_boxes(Box(0, 0, 640, 100), settings)
    assert [(each.top, each.left) for each in places] == [(0, 18), (192, 18), (384, 18), (576, 18)]
    numbers = np.arange(6 * 9).reshape(6, 9)
    assert cut(numbers, Box(1, 2, 2, 3)).tolist() == [[11, 12, 13], [20, 21, 22]]
