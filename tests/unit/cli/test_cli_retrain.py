"""curate retrain, through the real command line."""

import json

import numpy as np
import pytest
import yaml

from matcurate.cli.app import run
from matcurate.config import load_settings, save_settings
from matcurate.workflows.home import load_original
from tests.unit.learning_samples import add_disc, correct
from tests.unit.loop_samples import make_workspace

TRAIN = {"steps": 16, "learning_rate": 0.01, "validate_every": 8, "sampling": {"crop": 48, "batch": 2}}
KEYS = [
    "due", "reason", "snapshot", "run_id", "model_version", "metrics", "champion_metrics", "matsam_metrics", "promoted",
    "why",
]  # fmt: skip


@pytest.fixture
def workspace(tmp_path):
    """Four corrections, two of them golden; the phase is the ground around the disc, which MatSAM does not find."""
    preset = {"name": "tiny", "model": {"lora": {"rank": 2}, "plm": None}, "train": TRAIN}
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump(preset))
    made = make_workspace(tmp_path / "home", connected=False)
    for index in range(4):
        micrograph = add_disc(made, tmp_path / "in", specimen=str(index), golden=index > 1)
        correct(made, micrograph, (load_original(made, micrograph).pixels <= 100).astype(np.uint8))
    return made


@pytest.fixture
def curate(workspace, capsys):
    def call(*arguments, code=0):
        assert run(["--home", str(workspace.settings.home), *arguments]) == code
        said = capsys.readouterr()
        return said.err if code else said.out

    return call


def test_from_a_refusal_to_a_champion(workspace, curate, tmp_path):
    waits = json.loads(curate("retrain", "--if-due", "--json"))
    assert list(waits) == KEYS and not waits["due"] and waits["snapshot"] is waits["metrics"] is None
    assert waits["reason"] == "2 usable corrections, 4 needed to train"
    assert "lower retrain.min_corrections" in curate("retrain", code=1)
    assert "must not be negative" in curate("retrain", "--seed", "-1", code=2)
    options = {"min_corrections": 2, "new_corrections": 2, "preset": str(tmp_path / "tiny.yaml")}
    save_settings(workspace.settings.home, {"retrain": options, "lab": "north"})
    assert load_settings(workspace.settings.home).lab == "north"
    assert "dry run: nothing was trained" in curate("retrain", "--dry-run")
    done = json.loads(curate("retrain", "--if-due", "--json"))
    assert list(done) == KEYS and done["promoted"] and done["model_version"] == "default-v1"
    assert done["metrics"]["images"] == 2 and 0 <= done["metrics"]["dice"] <= 1
    shown = json.loads(curate("models", "show", "champion", "--json"))
    assert (shown["lab"], shown["snapshot"], shown["run_id"]) == ("north", done["snapshot"], done["run_id"])
    assert shown["tags"]["promotion"] == done["why"] and shown["history"][-1]["why"] == done["why"]
    assert "no new corrections" in curate("retrain", "--if-due")
    table = curate("retrain")
    assert "default-v2" in table and "On the golden set" in table and "precipitate" in table
