"""A run of a few steps from a tiny recipe: it writes, resumes, and refuses."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from matcurate.errors import CheckpointError, ConfigError
from matcurate.imaging.dataset import write_sample
from matcurate.pretraining.run import LAST, METRICS, WEIGHTS, _mean, pretrain
from matcurate.pretraining.training import CHECKPOINT
from matcurate.promptable.builtin.quality import RegionQuality
from matcurate.promptable.builtin.weights import load_weights, save_weights
from matcurate.promptable.digests import sha256_of
from tests.unit.pretraining.pretraining_samples import discs, recipe
from tests.unit.small_objects import TINY, tiny_network


def written(path: Path, **changes: object) -> str:
    settings = {"kinds": {"particles": 1.0}, "picture": 96, "pool": 2, "steps": 4, "real_share": 0.5}
    path.write_text(yaml.safe_dump(recipe(**(settings | changes)).model_dump(mode="json")))
    return str(path)


def dataset(folder: Path) -> Path:
    picture = discs()
    write_sample(folder, "a", picture.grey, (picture.objects > 0).astype(np.uint8), picture.objects.astype(np.uint32))
    return folder


@pytest.fixture
def start(tmp_path: Path) -> str:
    path = tmp_path / "start.safetensors"
    save_weights(path, tiny_network(), RegionQuality(), {})
    return str(path)


def test_a_run_is_stopped_resumed_and_finished(tmp_path: Path, start: str) -> None:
    config, out = written(tmp_path / "tiny.yaml"), tmp_path / "run"
    real, val = dataset(tmp_path / "lab" / "train"), dataset(tmp_path / "lab" / "val")
    stopped = pretrain(config, out, real=[real], val=[val], start=start, minutes=0, device="cpu")
    assert (stopped.step, stopped.best_step, stopped.quality, stopped.recipe) == (1, 1, None, "tiny")
    assert set(stopped.scores) == {"lab/val", "particles"} and all(0 <= v <= 1 for v in stopped.scores.values())
    assert stopped.parameters == sum(value.numel() for value in tiny_network().parameters())
    assert {path.name for path in out.iterdir()} == {CHECKPOINT, METRICS, WEIGHTS, LAST, "pictures"}

    with pytest.raises(CheckpointError, match="holds a run; continue it with --resume, or choose another folder"):
        pretrain(config, out, start=start, device="cpu")
    with pytest.raises(ConfigError, match="leave out --start or --resume"):
        pretrain(config, out, start=start, resume=True, device="cpu")

    told: list[str] = []
    report = pretrain(
        config, out, real=[real], val=[val], resume=True, device="cpu", progress=lambda *stand: told.append(stand[2])
    )
    assert report.step == 4 and report.minutes >= stopped.minutes
    assert told[-1] == "regions" and any(note.startswith("step 4 loss ") for note in told)
    lines = [json.loads(line) for line in (out / METRICS).read_text().splitlines()]
    assert [line["step"] for line in lines] == [1, 2, 4]
    assert ["validation" in line for line in lines] == [False, True, True]
    assert set(lines[-1]["dice"]["foreground"]) <= {"lab/train", "particles"}

    weights = load_weights(Path(report.weights))
    assert weights.digest == report.sha256 == sha256_of(out / WEIGHTS) and weights.network.settings == TINY
    assert report.quality is not None and 0 <= report.quality.error <= 1
    assert {"recipe", "sources", "seed", "scores", "validated_on", "quality_error"} <= set(weights.card)
    assert weights.card["sources"] == "lab/train, particles" and int(weights.card["steps"]) == report.best_step
    assert weights.quality.points.deviation.tolist() != [1.0] * len(weights.quality.points.deviation)  # was taught
    state = torch.load(out / CHECKPOINT, weights_only=True)
    assert state["step"] == 4


def test_what_cannot_be_run_is_refused_before_anything_is_written(tmp_path: Path, start: str) -> None:
    out, path = tmp_path / "run", tmp_path / "tiny.yaml"
    other = tmp_path / "other.safetensors"
    other.write_text("no weights")
    wider = TINY.model_copy(update={"detail": 12}).model_dump(mode="json")
    for changes, arguments, error, message in (
        ({}, {"seed": -1}, ConfigError, "seed -1: must not be negative"),
        ({"kinds": {}}, {}, ConfigError, "nothing to learn from; name kinds in the recipe, or folders with --real"),
        ({"kinds": {"unicorns": 1}}, {}, ConfigError, "unicorns"),
        ({}, {}, ConfigError, "no ImageNet weights for the encoder 'test_efficientnet'"),
        ({"network": wider}, {"start": start}, ConfigError, "of another shape than in the recipe tiny"),
        ({}, {"start": str(other)}, CheckpointError, "not a whole safetensors file"),
        ({}, {"resume": True}, CheckpointError, "no run to resume"),
        ({}, {"start": start, "device": "abacus"}, ConfigError, "device 'abacus' cannot be used"),
    ):
        with pytest.raises(error, match=message):
            pretrain(written(path, **changes), out, **{"device": "cpu", **arguments})  # type: ignore[arg-type]
        assert not out.exists()


def test_the_mean_score_counts_folders_and_kinds_alike() -> None:
    assert _mean({"a/val": 0.9, "b/val": 0.7, "film": 0.4, "powder": 0.2, "grains": 0.0}) == pytest.approx(0.5)
    assert _mean({"film": 0.4}) == pytest.approx(0.4)
    assert _mean({}) == 0.0
