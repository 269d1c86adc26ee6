"""A micrograph with a known matrix and an unknown layer: the layer is flagged, shown, named and recognised."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from matcurate.catalog import Box, list_micrographs
from matcurate.cli.app import run
from matcurate.imaging.synth.textures import texture
from matcurate.workflows.classes import (
    UnnamedMicrograph,
    name_micrographs,
    open_region_classifier,
    overview,
    write_examples,
)
from matcurate.workflows.classes.crops import open_embeddings
from matcurate.workflows.home import Workspace
from matcurate.workflows.ingest import ingest_files
from tests.unit.loop_samples import make_workspace

SHAPE = (128, 224)
MATRIX, LAYER = 0, 3
BORDER = 112


def settings_of(workspace: Workspace, **changes: object) -> Workspace:
    chosen = workspace.settings.classes.model_copy(update={"crop": 64, "regions": True, **changes})
    return Workspace(workspace.settings.model_copy(update={"classes": chosen}), workspace.engine, workspace.objects)


@pytest.fixture(scope="module")
def layered(tmp_path_factory: pytest.TempPathFactory) -> tuple[Workspace, dict[str, int]]:
    """Four micrographs of a matrix, and two whose right half is a layer of another texture; crops of 64 pixels."""
    root = tmp_path_factory.mktemp("regions")
    workspace = settings_of(make_workspace(root / "home", connected=False))
    matrix, layer = (texture((3 * SHAPE[0], 2 * SHAPE[1]), np.random.default_rng(seed)) for seed in (MATRIX, LAYER))
    pictures = {}
    for number, name in enumerate(["matrix0", "matrix1", "matrix2", "matrix3", "layered0", "layered1"]):
        area = tuple(slice(at * side, (at + 1) * side) for at, side in zip(divmod(number, 2), SHAPE, strict=True))
        pictures[name] = matrix[area].copy()
        if name.startswith("layered"):
            pictures[name][:, BORDER:] = layer[area][:, BORDER:]
    for name, pixels in pictures.items():
        cv2.imwrite(str(root / f"{name}.png"), pixels)
    added = ingest_files(workspace, sorted(root.glob("*.png"))).added
    return workspace, {Path(each.name).stem: each.id for each in added}


def asked(workspace: Workspace) -> dict[int, UnnamedMicrograph]:
    found = overview(workspace)
    return {each.micrograph_id: each for each in (*found.queue, *found.recognised)}


def test_the_layer_is_flagged_named_by_its_box_and_recognised(layered, tmp_path: Path) -> None:
    workspace, ids = layered
    name_micrographs(workspace, "matrix", [ids[f"matrix{number}"] for number in range(3)])
    first = overview(workspace)
    assert {each.micrograph_id for each in first.queue} == {ids["layered0"], ids["layered1"]}
    alone = asked(workspace)[ids["matrix3"]]
    assert [each.box for each in alone.regions] == [Box(0, 0, *SHAPE)]
    assert alone.vacuity == alone.regions[0].vacuity <= first.threshold
    for each in first.queue:
        layer, matrix = each.regions
        assert each.vacuity == layer.vacuity > 0.8
        assert matrix.vacuity < 0.3
        assert BORDER - 12 <= layer.box.left
        assert matrix.box.left + matrix.box.width <= BORDER + 12
        assert layer.share + matrix.share == pytest.approx(1)
    lefts = [int(path.stem.split("_")[3]) for path in write_examples(workspace, str(ids["layered0"]), tmp_path)]
    assert max(lefts) >= BORDER - 12

    name_micrographs(workspace, "layer", [ids["layered0"]], box=asked(workspace)[ids["layered0"]].regions[0].box)
    other = asked(workspace)[ids["layered1"]]
    assert {each.similar[0].name: each.box.left > BORDER - 12 for each in other.regions} == {
        "layer": True,
        "matrix": False,
    }


def test_a_homogeneous_micrograph_has_the_crops_it_had_and_others_none_across_a_border(layered) -> None:
    workspace, _ = layered
    with workspace.reading() as session:
        records = {Path(each.name).stem: each for each in list_micrographs(session, workspace.project().id)}
    parted, plain = open_embeddings(workspace), open_embeddings(settings_of(workspace, regions=False))
    one, several, everything = records["matrix3"], records["layered0"], Box(0, 0, *SHAPE)
    assert parted.boxes(one, everything) == plain.boxes(one, everything)
    assert np.array_equal(parted(one, everything), plain(one, everything))
    assert any(each.left < BORDER - 12 < BORDER + 12 < each.left + 64 for each in plain.boxes(several, everything))
    places = parted.boxes(several, everything)
    assert all(each.left + 64 <= BORDER + 12 or each.left >= BORDER - 12 for each in places)
    assert len(parted(several, everything)) == len(places)
    box = Box(0, 80, 100, 100)  # what an expert has drawn counts as it is
    assert parted.boxes(several, box) == plain.boxes(several, box)


def test_regions_are_told_as_json_and_their_box_can_be_named(layered, capsys, monkeypatch) -> None:
    workspace, ids = layered
    monkeypatch.setenv("CURATE_CLASSES__CROP", "64")
    monkeypatch.setenv("CURATE_CLASSES__REGIONS", "true")
    name_micrographs(workspace, "matrix", [ids[f"matrix{number}"] for number in range(3)])

    def curate(*arguments: str):
        assert run(["--home", str(workspace.settings.home), "classes", *arguments, "--json"]) == 0
        return json.loads(capsys.readouterr().out)

    listed = curate("list")
    (found,) = (each for each in (*listed["queue"], *listed["recognised"]) if each["micrograph"] == ids["layered1"])
    assert found["u"] == max(part["u"] for part in found["regions"])
    assert found["similar"] == found["regions"][0]["similar"]
    assert sum(part["share"] for part in found["regions"]) == pytest.approx(1)
    (box,) = (part["box"] for part in found["regions"] if part["box"][1] > BORDER - 12)
    assert curate("name", "layer", str(ids["layered1"]), "--box", ",".join(map(str, box)))["class"] == "layer"


def test_discovered_regions_are_of_a_known_class_or_new(layered, tmp_path: Path) -> None:
    workspace, ids = layered
    assert open_region_classifier(workspace.settings.model_copy(update={"home": tmp_path / "none"})) is None
    if not asked(workspace)[ids["matrix3"]].regions:  # nobody has named the matrix yet
        name_micrographs(workspace, "matrix", [ids[f"matrix{number}"] for number in range(3)])
    classify = open_region_classifier(workspace.settings)
    assert classify is not None
    known, other = (texture((3 * SHAPE[0], 2 * SHAPE[1]), np.random.default_rng(seed)) for seed in (MATRIX, 7))
    pixels = np.hstack([known[: SHAPE[0], : SHAPE[1]], other[: SHAPE[0], :BORDER]])
    labels = np.repeat([1, 2], (SHAPE[1], BORDER))[None].repeat(SHAPE[0], axis=0).astype(np.uint8)
    labels[-20:, -20:] = 3  # too small for a crop
    first, second = classify(pixels, labels)
    assert (first.region, first.name, first.new) == (1, "matrix", False)
    assert (second.region, second.new) == (2, True) and second.vacuity > first.vacuity
    assert first.similar[0][0] == "matrix" and sum(share for _, share in first.similar) <= 1 + 1e-6
