"""The golden set's scores: means worked out by hand, and a real model on real golden micrographs."""

import numpy as np
import pytest

from matcurate.errors import CatalogError
from matcurate.imaging.proxy import to_uint8
from matcurate.phase.build import ModelSettings, build_model
from matcurate.phase.scores import score_phases
from matcurate.promptable.registry import load_backbone
from matcurate.workflows.evaluation import compare
from matcurate.workflows.evaluation.evaluate import GoldenScore, evaluate, summarise
from matcurate.workflows.home import load_original
from matcurate.workflows.snapshots import golden_set
from tests.unit.learning_samples import add_disc, correct
from tests.unit.loop_samples import make_workspace


def mask(columns, ids=(1,)):
    """(4, 10): the first columns are of the ids, one after the other, the rest is matrix."""
    found = np.zeros((4, 10), dtype=np.uint8)
    for index, phase in enumerate(ids):
        found[:, index * columns : (index + 1) * columns] = phase
    return found


def score(name, predicted, truth, specimen=None, phases=2):
    return GoldenScore(name, name * 64, specimen, score_phases(predicted, truth, phases))


def test_means_are_those_worked_out():
    # a: predicted 2, true 4 of 10 columns: Dice 2·2/(2+4) = 2/3 and 2·6/(8+6) = 6/7; the fractions err by .2 both.
    # b: exact.
    found = summarise(
        [score("a", mask(2), mask(4), "S1"), score("b", mask(4), mask(4), "S1"), score("c", mask(4), mask(4))],
        ("matrix", "phase"),
        "d",
    )
    wrong = (2 / 3 + 6 / 7) / 2
    assert found.overall.dice == pytest.approx((wrong + 2) / 3)
    assert found.overall.fraction_error == pytest.approx(0.2 / 3)
    assert found.per_phase["phase"].dice == pytest.approx((2 / 3 + 2) / 3)
    assert found.per_phase["matrix"].iou == pytest.approx((6 / 8 + 2) / 3)
    assert set(found.per_specimen) == {"S1", "c"}
    assert (found.per_specimen["S1"].images, found.per_specimen["c"].dice) == (2, 1.0)
    assert found.per_specimen["S1"].dice == pytest.approx((wrong + 1) / 2)


def test_a_phase_that_never_occurs_has_no_scores():
    found = summarise([score("a", mask(4), mask(4), phases=3)], ("matrix", "one", "two"), "d")
    assert found.per_phase["two"].dice is None and found.per_phase["two"].boundary_f1 is None
    assert found.per_phase["two"].fraction_error == 0.0 and found.overall.dice == 1.0


def test_comparison_is_challenger_less_champion_of_one_golden_set():
    bad, good = ([score(n, mask(c), mask(4)) for n in "ab"] for c in (2, 4))
    rng = np.random.default_rng(0)
    found = compare(summarise(bad, ("m", "p"), "d"), summarise(good, ("m", "p"), "d"), rng)
    assert found.dice.mean == pytest.approx((2 / 3 + 6 / 7) / 2 - 1) and found.dice.high < 0
    assert found.fraction_error.low == pytest.approx(0.2)
    with pytest.raises(ValueError, match="one golden set"):
        compare(summarise(bad, ("m", "p"), "d"), summarise(good, ("m", "p"), "e"), rng)


def test_a_model_is_measured_on_every_golden_micrograph(tmp_path):
    workspace = make_workspace(tmp_path / "home", connected=False)
    found = [add_disc(workspace, tmp_path / "in", specimen=name, golden=True) for name in "AB"]
    for micrograph in found:
        correct(workspace, micrograph, (load_original(workspace, micrograph).pixels > 100).astype(np.uint8))
    backbone = load_backbone("builtin", tmp_path)
    model = build_model(backbone, 2, ModelSettings.model_validate({"lora": {"rank": 2}, "plm": {"hidden": 4}}), 0)
    seen, told = [], []
    report = evaluate(
        workspace,
        model,
        golden_set(workspace),
        seen=lambda sample, predicted: seen.append((sample, predicted)),
        progress=lambda done, total, note="": told.append((done, total)),
    )
    assert report.golden == golden_set(workspace).digest and told == [(0, 2), (1, 2), (2, 2)]
    assert set(report.per_specimen) == {"A", "B"} and list(report.per_phase) == ["matrix", "precipitate"]
    for (sample, predicted), image in zip(seen, report.images, strict=True):
        truth = to_uint8(sample.pixels) > 100
        shared = np.count_nonzero(truth & (predicted == 1))
        assert image.scores.dice[1] == pytest.approx(2 * shared / (truth.sum() + (predicted == 1).sum()))
        assert image.scores.fraction_error[1] == pytest.approx(((predicted == 1).sum() - truth.sum()) / truth.size)


def test_without_a_golden_set_the_remedy_is_said(tmp_path):
    workspace = make_workspace(tmp_path / "home", connected=False)
    add_disc(workspace, tmp_path / "in", golden=True)  # not corrected
    model = build_model(load_backbone("builtin", tmp_path), 2, ModelSettings(), 0)
    with pytest.raises(CatalogError, match="curate ingest --golden"):
        evaluate(workspace, model, golden_set(workspace))
