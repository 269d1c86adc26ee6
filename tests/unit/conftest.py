"""Fixtures of the loop's tests; its folder is where they import :mod:`loop_samples` from."""

import pytest

from matcurate.config import load_settings
from matcurate.promptable.registry import BACKBONES
from matcurate.segmentation.build import build_segmenter
from matcurate.workflows.ingest import ingest_files
from matcurate.workflows.presegment import ZeroShot
from tests.unit.loop_samples import FakeLabelStudio, make_workspace, write_discs
from tests.unit.threshold_backbone import ThresholdBackbone
from tests.unit.tiny_sam import tiny_vit_b

__all__ = ["tiny_vit_b"]


@pytest.fixture
def threshold(monkeypatch):
    """Name in the registry of a backbone without weights, another than the built-in network."""
    monkeypatch.setitem(BACKBONES, "threshold", lambda request: ThresholdBackbone())
    return "threshold"


@pytest.fixture
def segmenter(tmp_path):
    return ZeroShot(build_segmenter(load_settings(tmp_path / "no-home")), "phases")


@pytest.fixture
def loop_workspace(tmp_path):
    """Connected, with three micrographs of one disc each."""
    workspace = make_workspace(tmp_path / "home")
    ingest_files(workspace, write_discs(tmp_path / "images", 3))
    return workspace


@pytest.fixture
def studio():
    return FakeLabelStudio()
