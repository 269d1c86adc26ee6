"""Ranking by a phase model with a head of evidence: it looks once, and BALD can be asked of it."""

from dataclasses import replace

import numpy as np
import pytest

from matcurate.config import RankSettings
from matcurate.errors import ConfigError
from matcurate.learned.evidence import fit_evidence
from matcurate.phase.build import build_model
from matcurate.phase.model import PhaseModel
from matcurate.phase.samples import Picture, grey_levels
from matcurate.promptable.registry import load_backbone
from matcurate.uncertainty.pixels import PixelSettings
from matcurate.workflows.presegment import Learned, presegment_micrographs
from matcurate.workflows.presegment.presegmenter import VersionFacts
from matcurate.workflows.ranking import open_scorer
from matcurate.workflows.ranking.rank import rank
from tests.unit.lab_samples import TINY
from tests.unit.learning_samples import add_disc
from tests.unit.loop_samples import START, disc, make_workspace


@pytest.fixture(scope="module")
def ready(tmp_path_factory):
    """A project with three micrographs, and an untrained phase model with a head of evidence."""
    root = tmp_path_factory.mktemp("learned")
    workspace = make_workspace(root / "home", connected=False)
    micrographs = [add_disc(workspace, root / "in") for _ in range(3)]
    classes = workspace.project().classes
    backbone = load_backbone("builtin", root / "cache")
    model = build_model(backbone, len(classes), TINY, 0)
    grey = grey_levels(disc(40, 60))
    few = PixelSettings(hidden=8, pixels=300, steps=4)
    head = fit_evidence(model, [Picture("disc", grey, (grey > 0.5).astype(np.uint8))], classes, 0, few)
    return workspace, Learned("v1", VersionFacts("builtin", backbone.digest, "", {}), model, head), micrographs


def ask(workspace, segmenter, **request):
    return rank(workspace, segmenter, None, RankSettings(lease_hours=0.001, **request), "ann", START)


def test_the_model_looks_once_and_bald_is_a_score_of_its_own(ready, monkeypatch):
    workspace, segmenter, micrographs = ready
    looks, original = [], PhaseModel.described
    monkeypatch.setattr(PhaseModel, "described", lambda self, *given: looks.append(1) or original(self, *given))
    found = ask(workspace, segmenter, strategy="bald", count=1)
    assert len(looks) == len(micrographs)
    scores = dict(found.chosen[0].scores)
    assert {"bald", "entropy", "margin", "vacuity"} <= scores.keys()
    assert len({scores[name] for name in ("bald", "entropy", "margin", "vacuity")}) == 4
    assert presegment_micrographs(workspace, segmenter, scorer=open_scorer(workspace, segmenter)).skipped == 3
    assert len(looks) == len(micrographs)


def test_bald_is_refused_with_the_remedy_where_the_model_has_no_evidence(ready):
    workspace, segmenter, _ = ready
    without = replace(segmenter, version="v0", evidence=None)
    with pytest.raises(ConfigError, match=r"v0 has none; 'curate retrain' makes a version that has one"):
        ask(workspace, without, strategy="bald")
    assert ask(workspace, without, strategy="entropy", count=1).strategy == "entropy"
