"""``pretrain``: what a run leaves behind, and what it refuses."""

import json
from pathlib import Path

import numpy as np
import pytest

from matcurate.cli.app import run
from matcurate.config import load_preset
from matcurate.errors import CheckpointError, ConfigError, DatasetError
from matcurate.imaging.dataset import write_sample
from matcurate.promptable.builtin.recipe import Recipe
from matcurate.promptable.builtin.weights import load_weights
from matcurate.promptable.digests import sha256_of
from matcurate.workflows.pretrain import pretrain

TEXT = """
name: tiny
network: {widths: [4, 8]}
kinds: [precipitates]
picture: 40
crop: 32
crops_per_picture: 2
real_share: 0.5
steps: 4
workers: 0
report_steps: 2
prompts: {pictures: 3, crop: 40, regions_per_picture: 50, boxes_per_picture: 2, epochs: 1, answered_pictures: 2}
seams: {pictures: 2, picture: 64, crop: 64, rounds: 1, epochs: 1}
"""


@pytest.fixture
def recipe(tmp_path: Path) -> str:
    path = tmp_path / "tiny.yaml"
    path.write_text(TEXT)
    return str(path)


@pytest.fixture
def steel(tmp_path: Path) -> Path:
    pixels = np.random.default_rng(0).integers(0, 256, (40, 56)).astype(np.uint8)
    write_sample(tmp_path / "steel" / "train", "a", pixels, (pixels > 90).astype(np.uint8))
    return tmp_path / "steel" / "train"


def test_the_shipped_recipe_is_read() -> None:
    recipe = load_preset("boundary", Recipe, "pretrain")
    assert recipe.network.widths == (16, 32, 64, 96, 128) and recipe.crop == 160 and recipe.kinds == ()
    second = load_preset("micrographs", Recipe, "pretrain")
    assert second.network == recipe.network and second.learning_rate < recipe.learning_rate


def test_a_run_leaves_weights_state_and_metrics(recipe: str, steel: Path, tmp_path: Path) -> None:
    told: list[tuple[int, int, str]] = []
    out = tmp_path / "run"
    report = pretrain(recipe, out, real=[steel], seed=3, device="cpu", progress=lambda *stand: told.append(stand))
    assert (report.recipe, report.device, report.step) == ("tiny", "cpu", 4)
    lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [2, 4] and lines[-1]["loss"] == report.loss
    assert [stand[:2] for stand in told] == [
        (2, 4),
        (4, 4),
        *[(1, 2), (2, 2)] * 2,
        (1, 3),
        (2, 3),
        (3, 3),
        (1, 2),
        (2, 2),
    ]
    assert told[1][2].startswith(f"step 4 loss {report.loss:.3f}")
    stages = [*["pictures in patches"] * 2, *["seams"] * 2, *["regions"] * 3, *["answers"] * 2]
    assert [stand[2] for stand in told[2:]] == stages
    loaded = load_weights(out / "weights.safetensors")
    assert loaded.digest == report.sha256 == sha256_of(Path(report.weights))
    assert loaded.card["sources"] == "precipitates, steel/train" and loaded.card["seed"] == "3"
    assert Recipe.model_validate_json(loaded.card["recipe"]).name == "tiny"
    assert report.parameters == sum(value.numel() for value in loaded.network.parameters())
    assert Path(report.checkpoint).is_file()
    assert loaded.judge is not None and report.quality.examples > 20
    assert loaded.card["examples"] == f"{report.quality.examples:.3g}"


def test_a_resumed_run_ends_where_the_unbroken_one_does(recipe: str, tmp_path: Path) -> None:
    unbroken = pretrain(recipe, tmp_path / "a", device="cpu")
    first = pretrain(recipe, tmp_path / "b", device="cpu", minutes=0)
    assert first.step == 1
    resumed = pretrain(recipe, tmp_path / "b", device="cpu", resume=True)
    assert resumed.step == 4 and resumed.minutes > first.minutes
    one, other = (load_weights(Path(report.weights)).network for report in (unbroken, resumed))
    assert all((a == b).all() for a, b in zip(one.parameters(), other.parameters(), strict=True))
    done = pretrain(recipe, tmp_path / "b", device="cpu", resume=True)  # nothing is left to do
    assert (done.step, done.loss, done.accuracy) == (4, None, {}) and done.sha256 == resumed.sha256


def test_a_run_goes_on_from_other_weights(recipe: str, steel: Path, tmp_path: Path) -> None:
    first = pretrain(recipe, tmp_path / "a", device="cpu")
    second = pretrain(recipe, tmp_path / "b", real=[steel], device="cpu", start=first.weights, minutes=0)
    card = load_weights(Path(second.weights)).card
    assert card["start"] == first.sha256 and json.loads(card["start_card"])["sources"] == "precipitates"
    before, after = (load_weights(Path(report.weights)).network for report in (first, second))
    # One step's warm-up moves a weight by 1/50 of the learning rate at most; random ones would be further apart.
    near = [(a - b).abs().max() for a, b in zip(before.parameters(), after.parameters(), strict=True)]
    assert 0 < max(near) < 1e-3
    with pytest.raises(ConfigError, match="leave out --start or --resume"):
        pretrain(recipe, tmp_path / "b", start=first.weights, resume=True)
    with pytest.raises(CheckpointError, match="no such file"):
        pretrain(recipe, tmp_path / "c", start=str(tmp_path / "none.safetensors"))


def test_a_stage_keeps_what_it_does_not_learn(recipe: str, tmp_path: Path) -> None:
    first = pretrain(recipe, tmp_path / "a", device="cpu")
    text = TEXT.replace("steps: 4", "steps: 0").replace("prompts: {pictures: 3", "unused: {pictures: 3")
    lines = [line for line in text.splitlines() if not line.startswith("unused")]
    Path(recipe).write_text("\n".join([*lines, "prompts: null"]))
    second = pretrain(recipe, tmp_path / "b", device="cpu", start=first.weights, seed=5)
    assert second.quality is None and second.seams.pictures == 1 and second.step == 0
    before, after = (load_weights(Path(report.weights)) for report in (first, second))
    kept = [*before.network.parameters(), *before.judge.points.parameters(), *before.judge.boxes.parameters()]
    now = [*after.network.parameters(), *after.judge.points.parameters(), *after.judge.boxes.parameters()]
    assert all((a == b).all() for a, b in zip(kept, now, strict=True))
    seams = zip(before.judge.seams.parameters(), after.judge.seams.parameters(), strict=True)
    assert any((a != b).any() for a, b in seams)
    with pytest.raises(ConfigError, match="say of what with --start"):
        pretrain(recipe, tmp_path / "c", device="cpu")


def test_a_run_is_not_overwritten_nor_mixed(recipe: str, tmp_path: Path) -> None:
    out = tmp_path / "run"
    with pytest.raises(CheckpointError, match="no run to resume"):
        pretrain(recipe, out, device="cpu", resume=True)
    pretrain(recipe, out, device="cpu", minutes=0)
    with pytest.raises(CheckpointError, match="holds a run; go on with --resume"):
        pretrain(recipe, out, device="cpu")
    with pytest.raises(ConfigError, match="another recipe or seed"):
        pretrain(recipe, out, device="cpu", resume=True, seed=1)


def test_what_cannot_run_is_one_line(recipe: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no preset 'boundry' in pretrain; use one of: answers, boundary"):
        pretrain("boundry", tmp_path / "run")
    with pytest.raises(ConfigError, match="device 'cuda:99' cannot be used"):
        pretrain(recipe, tmp_path / "run", device="cuda:99")
    with pytest.raises(ConfigError, match="must not be negative"):
        pretrain(recipe, tmp_path / "run", seed=-1)
    with pytest.raises(DatasetError, match="not a dataset folder"):
        pretrain(recipe, tmp_path / "run", real=[tmp_path / "nowhere"])
    (tmp_path / "file").write_text("")
    with pytest.raises(CheckpointError, match="cannot be made"):
        pretrain(recipe, tmp_path / "file" / "run", device="cpu")
    assert not (tmp_path / "run").exists()


def test_a_folder_that_cannot_be_written_to(recipe: str, tmp_path: Path) -> None:
    (tmp_path / "run" / "metrics.jsonl").mkdir(parents=True)
    with pytest.raises(CheckpointError, match="cannot be written to"):
        pretrain(recipe, tmp_path / "run", device="cpu")


def test_the_command(recipe: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    home = tmp_path / "home"
    arguments = ["--home", str(home), "pretrain", "--config", recipe, "--device", "cpu"]
    assert run([*arguments, "--minutes", "0", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["step"] == 1 and document["weights"] == str(home / "pretrain" / "tiny" / "weights.safetensors")
    assert run(arguments) == 1
    shown = capsys.readouterr()
    assert shown.out == "" and shown.err.count("\n") == 1 and "--resume" in shown.err
    assert run([*arguments, "--resume"]) == 0
    assert "4 steps" in (table := capsys.readouterr().out) and "precipitates" in table
