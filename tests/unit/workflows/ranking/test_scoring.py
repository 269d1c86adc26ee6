"""Scores and embeddings of micrographs: worked out by hand, kept, and read again."""

from dataclasses import replace

import numpy as np
import pytest

from matcurate.learned.embedders import embedder_of
from matcurate.learned.evidence import fit_evidence, predict_with_vacuity
from matcurate.phase.build import build_model
from matcurate.phase.inference import phase_shares
from matcurate.phase.ratios import no_ratio
from matcurate.phase.samples import Picture, grey_levels
from matcurate.promptable.registry import load_backbone
from matcurate.uncertainty.pixels import PixelSettings
from matcurate.uncertainty.regions import region_scores
from matcurate.workflows.presegment import Learned, register_version, zero_shot
from matcurate.workflows.presegment.presegmenter import VersionFacts
from matcurate.workflows.ranking import load_embedding, open_scorer
from matcurate.workflows.ranking import scorer as scorer_room
from matcurate.workflows.ranking.score_store import ScoredImage, load_vacuity, store_scored
from matcurate.workflows.ranking.scorer import Scorer, crops_of, scored_by_model
from matcurate.workflows.ranking.scoring import embeddings_of
from tests.unit.lab_samples import TINY
from tests.unit.learning_samples import add_disc
from tests.unit.loop_samples import disc, make_workspace


@pytest.fixture
def workspace(tmp_path):
    return make_workspace(tmp_path / "home", connected=False)


@pytest.fixture(scope="module")
def backbone(tmp_path_factory):
    return load_backbone("builtin", tmp_path_factory.mktemp("cache"))


def learned(backbone):
    return Learned("v1", VersionFacts("builtin", backbone.digest, "", {}), build_model(backbone, 3, TINY, 0))


class Brightness:
    """Embedding of a crop: its mean and its size."""

    digest = "b" * 64

    def __call__(self, crops):
        return np.array([[crop.mean(), *crop.shape] for crop in crops], np.float32)


def test_crops_reach_from_border_to_border():
    grey = np.arange(400 * 200, dtype=np.float32).reshape(400, 200)
    crops = crops_of(grey)
    assert crops.shape == (6, 192, 192)  # rows from 0, 104 and 208, columns from 0 and 8
    assert [int(crop[0, 0]) for crop in crops] == [row * 200 + column for row in (0, 104, 208) for column in (0, 8)]
    assert crops_of(np.zeros((2000, 3000), np.float32)).shape == (9, 192, 192)
    assert crops_of(np.zeros((96, 500), np.float32)).shape == (3, 96, 192)
    small = crops_of(np.arange(6, dtype=np.float32).reshape(2, 3))
    assert small.shape == (1, 32, 32) and small[0, 2, :6].tolist() == [3, 4, 5, 5, 4, 3]


def test_the_embedding_is_the_mean_of_its_crops(workspace):
    pixels = np.zeros((192, 384), np.uint8)
    pixels[:, 192:] = 255
    scorer = Scorer(zero_shot(workspace, "builtin"), Brightness())
    np.testing.assert_allclose(scorer.embedding(pixels), [0.5, 192, 192])
    scored = scorer.score(pixels, [0.75, 0.25])
    assert scored.fractions.tolist() == [0.75, 0.25] and scored.scores == {} and scored.vacuity is None


@pytest.mark.parametrize("rows", [1000, 7])
def test_a_models_scores_are_means_over_the_pixels(backbone, monkeypatch, rows):
    monkeypatch.setattr(scorer_room, "ROWS", rows)
    segmenter, pixels = learned(backbone), disc(40, 60)
    shares = phase_shares(segmenter.model, grey_levels(pixels), np.zeros(3, np.float32)).astype(np.float64)
    best, second = np.sort(shares, axis=0)[[-1, -2]]
    found = scored_by_model(segmenter, pixels)
    assert found.scores["entropy"] == pytest.approx(-(shares * np.log(shares)).sum(axis=0).mean(), rel=1e-5)
    assert found.scores["margin"] == pytest.approx((1 - (best - second)).mean(), rel=1e-5)
    np.testing.assert_allclose(found.fractions, shares.mean(axis=(1, 2)), rtol=1e-5)
    assert sum(found.fractions) == pytest.approx(1)


def test_evidence_adds_a_map_and_what_it_says_of_the_image(backbone):
    segmenter, pixels = learned(backbone), disc(40, 60)
    grey = grey_levels(pixels)
    truth = np.where(grey > 0.5, 2, 0).astype(np.uint8)
    few = PixelSettings(hidden=8, pixels=300, steps=4)
    head = fit_evidence(segmenter.model, [Picture("disc", grey, truth)], ("matrix", "a", "b"), 0, few)
    found = scored_by_model(replace(segmenter, evidence=head), pixels)
    prediction = predict_with_vacuity(segmenter.model, head, grey, no_ratio(3))
    regions = region_scores(prediction.vacuity, prediction.shares.argmax(axis=0), 3)
    np.testing.assert_array_equal(found.vacuity, prediction.vacuity)
    assert (found.scores["vacuity"], found.scores["unknown"]) == (regions.mean, regions.unknown)
    named = {name: value for name, value in zip(("matrix", "a", "b"), regions.per_phase, strict=True) if value}
    assert {name: found.scores[f"vacuity {name}"] for name in named} == named
    without = scored_by_model(segmenter, pixels)
    assert without.scores["entropy"] == pytest.approx(found.scores["entropy"]) and without.vacuity is None


def test_bald_is_asked_of_a_head_with_dropout_and_is_always_the_same(backbone):
    segmenter, pixels = learned(backbone), disc(40, 60)
    grey = grey_levels(pixels)
    truth = [Picture("disc", grey, np.where(grey > 0.5, 2, 0).astype(np.uint8))]
    few = PixelSettings(hidden=8, pixels=300, steps=4, dropout=0.5)
    head = fit_evidence(segmenter.model, truth, ("matrix", "a", "b"), 0, few)
    first, again = (scored_by_model(replace(segmenter, evidence=head), pixels).scores for _ in range(2))
    assert first == again and 0 < first["bald"] < np.log(3)
    plain = fit_evidence(segmenter.model, truth, ("matrix", "a", "b"), 0, few.model_copy(update={"dropout": 0.0}))
    assert "bald" not in scored_by_model(replace(segmenter, evidence=plain), pixels).scores
    assert "bald" not in scored_by_model(segmenter, pixels).scores


def test_one_pass_gives_what_two_would(backbone, workspace):
    pixels = disc(40, 60)
    grey = grey_levels(pixels)
    few = PixelSettings(hidden=8, pixels=300, steps=4)
    truth = Picture("disc", grey, np.where(grey > 0.5, 2, 0).astype(np.uint8))
    for evidence in (None, fit_evidence(learned(backbone).model, [truth], ("matrix", "a", "b"), 0, few)):
        segmenter = replace(learned(backbone), evidence=evidence)
        scorer = Scorer(segmenter, Brightness())
        segmented, scored = scorer.segmented(pixels)
        alone, again = segmenter.segment(pixels), scorer.score(pixels, [])
        np.testing.assert_array_equal(segmented.phases, alone.phases)
        np.testing.assert_array_equal(segmented.instances, alone.instances)
        assert segmented.score == pytest.approx(alone.score, abs=1e-6)
        assert scored.scores == again.scores
        np.testing.assert_array_equal(scored.embedding, again.embedding)
        np.testing.assert_array_equal(scored.fractions, again.fractions)
    assert Scorer(zero_shot(workspace, "builtin"), Brightness()).segmented(pixels)[1] is None


def test_every_segmenter_is_embedded_by_a_network(workspace, backbone):
    own = embedder_of(backbone).digest
    for segmenter in (zero_shot(workspace, "builtin"), learned(backbone)):
        assert open_scorer(workspace, segmenter).embed.digest == own


def test_another_way_of_scoring_has_another_digest(workspace, monkeypatch):
    scorer = Scorer(zero_shot(workspace, "builtin"), Brightness())
    before = scorer.digest
    monkeypatch.setattr(scorer_room, "VERSION", 0)
    assert scorer.digest != before and len(before) == 64


def test_what_is_stored_is_read_again(workspace, tmp_path):
    segmenter, micrograph = zero_shot(workspace, "builtin"), add_disc(workspace, tmp_path / "in")
    version = register_version(workspace, workspace.project(), segmenter)
    vacuity = np.linspace(0, 1, 96 * 160, dtype=np.float32).reshape(96, 160)
    scored = ScoredImage(np.array([0.1, -3.0], np.float32), np.array([1.0, 0.0]), {"vacuity": 0.5}, vacuity)
    stored = store_scored(workspace, "a" * 64, version, micrograph, scored)
    assert dict(stored.scores) == {"vacuity": 0.5} and stored.fractions == (1.0, 0.0)
    np.testing.assert_array_equal(load_embedding(workspace, stored.embedding_key), scored.embedding)
    np.testing.assert_allclose(load_vacuity(workspace, stored), vacuity, atol=0.5 / 65535)
    other = store_scored(workspace, "b" * 64, version, micrograph, replace(scored, vacuity=None))
    assert load_vacuity(workspace, other) is None


def test_embeddings_of_what_the_experts_have_seen_are_made_once(workspace, tmp_path, monkeypatch):
    scorer = Scorer(zero_shot(workspace, "builtin"), Brightness())
    version = register_version(workspace, workspace.project(), scorer.segmenter)
    good, bad = (add_disc(workspace, tmp_path / "in") for _ in range(2))
    path = workspace.objects.local_path(bad.object_key)
    path.write_bytes(path.read_bytes()[:40])
    found, failed = embeddings_of(workspace, scorer, version, [good, bad])
    assert found.shape == (1, 3) and len(failed) == 1 and failed[0].startswith(f"{bad.name}: ")
    monkeypatch.setattr(Scorer, "embedding", None)
    again, _ = embeddings_of(workspace, scorer, version, [good])
    np.testing.assert_array_equal(again, found)
    assert embeddings_of(workspace, scorer, version, [])[0].shape == (0, 0)
