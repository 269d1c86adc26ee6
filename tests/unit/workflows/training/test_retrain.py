"""Retraining from corrections straight in the catalog: a small network, small crops, a real MLflow store."""

import numpy as np
import pytest
import yaml
from filelock import FileLock
from mlflow import MlflowClient

from matcurate.catalog import last_trained
from matcurate.config import PromotionSettings, RetrainSettings
from matcurate.errors import CatalogError, CheckpointError, ConfigError
from matcurate.jobs.queue import job_of, jobs_of
from matcurate.phase.build import Base
from matcurate.phase.storage import load_adapter
from matcurate.workflows.evaluation.measurements import measurements
from matcurate.workflows.home import enqueue, initialise, load_original
from matcurate.workflows.presegment import choose_presegmenter
from matcurate.workflows.training import as_document
from matcurate.workflows.training import retrain as module
from matcurate.workflows.training.retrain import retrain
from matcurate.workflows.versions import ADAPTER_FILE, open_registry, promote, show_model
from tests.unit.job_samples import run_job
from tests.unit.lab_samples import add_version
from tests.unit.learning_samples import add_disc, correct
from tests.unit.loop_samples import make_workspace, with_settings

PRESET = {
    "name": "tiny",
    "model": {"lora": {"rank": 2}, "plm": {"hidden": 4}},
    "train": {
        "steps": 24,
        "learning_rate": 0.003,
        "warmup": 2,
        "validate_every": 8,
        "checkpoint_every": 4,
        "sampling": {"crop": 64, "batch": 2},
    },
}


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return f"sqlite:///{tmp_path_factory.mktemp('mlflow') / 'mlflow.db'}"


@pytest.fixture
def workspace(tmp_path, store, request):
    """A project of its own for each test, in one MLflow store."""
    preset = tmp_path / "tiny.yaml"
    preset.write_text(yaml.safe_dump(PRESET))
    made = make_workspace(tmp_path / "home", connected=False)
    name = request.node.name
    initialise(made.settings, name, ("precipitate",))
    options = RetrainSettings(min_corrections=3, new_corrections=3, validation_share=0.3, preset=str(preset))
    changes = {"retrain": options, "lab": "north", "project": name, "tracking_uri": store}
    return with_settings(made, made.settings.model_copy(update=changes))


def changed(workspace, **options):
    """The same with other settings of retraining."""
    retraining = workspace.settings.retrain.model_copy(update=options)
    return with_settings(workspace, workspace.settings.model_copy(update={"retrain": retraining}))


def truth(workspace, micrograph):
    """Mask of the ground around the disc, which is the phase here: MatSAM takes the disc for it."""
    return (load_original(workspace, micrograph).pixels <= 100).astype(np.uint8)


def teach(workspace, folder, count=4, *, golden=0, shuffled=False):
    """Micrographs of specimens of their own, with the expert's masks; shuffled: with the class ids exchanged."""
    for index in range(count + golden):
        micrograph = add_disc(workspace, folder, specimen=f"{folder.name}{index}", golden=index >= count)
        mask = truth(workspace, micrograph)
        correct(workspace, micrograph, 1 - mask if shuffled else mask, minutes=index)


def learned(registry, version, folder):
    return load_adapter(registry.download(version, folder) / ADAPTER_FILE)


def test_corrections_become_a_champion_that_can_be_traced(workspace, tmp_path):
    teach(workspace, tmp_path / "a", golden=2)
    told = []
    report = retrain(workspace, if_due=True, progress=lambda done, total, note="": told.append((done, total)))
    assert report.due and report.reason.startswith("4 new corrections")
    assert report.promoted and report.why.startswith("against MatSAM on 2 golden micrographs: Dice +")
    assert report.champion_metrics is None and report.matsam_metrics.overall.dice < 0.1
    assert report.metrics.overall.dice > 0.8 and set(report.metrics.per_specimen) == {"a4", "a5"}
    assert {(step, 24) for step in range(1, 25)} <= set(told) and told[-1] == (2, 2)
    registry = open_registry(workspace)
    version = registry.by_alias("champion")
    assert version.name == report.model_version and version.aliases == ("challenger", "champion", "champion-north")
    assert [(m.alias, m.why == report.why) for m in registry.history()] == [
        ("challenger", False), ("champion", True), ("champion-north", True),
    ]  # fmt: skip
    (known,) = measurements(version).values()
    assert (known.lab, known.images, known.dice) == ("north", 2, report.metrics.overall.dice)
    adapter = learned(registry, version, tmp_path / "got")
    assert adapter.card.phases == ("matrix", "precipitate")
    with workspace.reading() as session:
        snapshot = last_trained(session, workspace.project().id)
    said = {"snapshot": snapshot.digest, "base": "builtin", "base_sha256": adapter.card.base_sha256, "lab": "north"}
    assert said.items() <= version.tags.stored().items() and snapshot.digest == report.snapshot
    client = MlflowClient(registry.uri)
    run = client.get_run(report.run_id)
    assert run.data.metrics["golden_dice"] == pytest.approx(report.metrics.overall.dice)
    assert run.data.metrics["golden_phase_1_dice"] == pytest.approx(report.metrics.per_phase["precipitate"].dice)
    assert [m.step for m in client.get_metric_history(report.run_id, "validation_dice")] == [8, 16, 24]
    assert run.data.params["why"] == report.why and run.data.params["resumed"] == "False"
    assert {each.tags[0].value for each in run.inputs.dataset_inputs} == {"training", "evaluation"}
    assert len(client.list_artifacts(report.run_id, "golden")) == 2
    again = retrain(workspace, if_due=True)
    assert not again.due and again.run_id is None and again.why.startswith("not due, nothing was trained: no new")


def test_the_next_begins_with_the_champion_and_a_bad_one_is_refused(workspace, tmp_path):
    teach(workspace, tmp_path / "a", golden=3)
    first = retrain(workspace)
    teach(workspace, tmp_path / "b", 16, shuffled=True)
    # without a validation part, which would stop the training before it has done much harm
    workspace = changed(workspace, validation_share=0.0)
    second = retrain(workspace, if_due=True)
    assert not second.promoted and second.why.startswith("refused: Dice")
    assert second.metrics.overall.dice < second.champion_metrics.overall.dice - 0.1
    assert second.champion_metrics == first.metrics  # the same model on the same images
    registry = open_registry(workspace)
    assert registry.by_alias("champion").name == first.model_version
    (again,) = measurements(registry.by_alias("champion")).values()  # measured anew beside the challenger
    assert again.dice == second.champion_metrics.overall.dice and again.at > registry.by_alias("champion").created_at
    refused = registry.by_alias("challenger")
    assert refused.name == second.model_version
    assert refused.tags.promotion == second.why and refused.tags.start == f"from {first.model_version}"
    (move,) = [m for m in show_model(workspace, registry, second.model_version).history]
    assert move.alias == "challenger" and second.why in move.why
    document = as_document(second)
    assert list(document) == [
        "due", "reason", "snapshot", "run_id", "model_version", "metrics", "champion_metrics", "matsam_metrics",
        "promoted", "why",
    ]  # fmt: skip
    assert document["metrics"]["per_phase"]["precipitate"]["dice"] == second.metrics.per_phase["precipitate"].dice


def test_without_a_golden_set_there_is_a_challenger_only(workspace, tmp_path):
    teach(workspace, tmp_path / "a")
    report = retrain(workspace)
    assert not report.promoted and report.metrics is None and "no golden set" in report.why
    registry = open_registry(workspace)
    assert registry.by_alias("champion") is None and registry.by_alias("challenger").name == report.model_version


def test_a_killed_training_goes_on_and_ends_the_same(workspace, tmp_path):
    """Stopped at step 16 with a checkpoint of step 12; then an unbroken one from the same start."""
    teach(workspace, tmp_path / "a", golden=1)
    workspace = changed(workspace, promotion=PromotionSettings(policy="manual"))

    def kill(done, total, note=""):
        if done >= 16:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        retrain(workspace, progress=kill)
    registry = open_registry(workspace)
    assert registry.versions() == [] and len(list((workspace.settings.home / "training").rglob("checkpoint.pt"))) == 1
    resumed = retrain(workspace)
    client = MlflowClient(registry.uri)
    assert client.get_run(resumed.run_id).data.params["resumed"] == "True"
    assert [m.step for m in client.get_metric_history(resumed.run_id, "loss")] == [16, 24]
    assert not list((workspace.settings.home / "training").rglob("checkpoint.pt"))
    weights = learned(registry, registry.by_alias("challenger"), tmp_path / "one").tensors
    unbroken = retrain(workspace)
    assert client.get_run(unbroken.run_id).data.params["resumed"] == "False"
    assert unbroken.metrics.overall.dice == pytest.approx(resumed.metrics.overall.dice, abs=1e-3)
    whole = learned(registry, registry.by_alias("challenger"), tmp_path / "two").tensors
    assert all(np.allclose(weights[name].numpy(), value.numpy(), atol=1e-5) for name, value in whole.items())


def test_what_cannot_be_trained_says_the_remedy(workspace, tmp_path):
    with pytest.raises(CatalogError, match="'curate sync'"):
        retrain(workspace)
    teach(workspace, tmp_path / "a", 2)
    with pytest.raises(CatalogError, match="2 usable corrections, 3 needed to train"):
        retrain(workspace)
    teach(workspace, tmp_path / "b", 2)
    dry = retrain(workspace, dry_run=True)
    assert dry.due and dry.snapshot is None and dry.why == "dry run: nothing was trained"
    folder = workspace.settings.home / "training" / workspace.settings.project
    assert not folder.exists() and open_registry(workspace).versions() == []
    folder.mkdir(parents=True)
    with FileLock(folder / ".lock"), pytest.raises(CatalogError, match=r"another training of project .* runs"):
        retrain(workspace)
    with pytest.raises(ConfigError, match="the backbone 'tree' is gone; use 'builtin' instead"):
        retrain(changed(workspace, backbone="tree"))


def test_other_settings_begin_anew_and_by_hand_nothing_is_promoted(workspace, tmp_path):
    teach(workspace, tmp_path / "a", golden=1)
    first = retrain(workspace)
    assert first.promoted
    other = tmp_path / "other.yaml"
    other.write_text(yaml.safe_dump(PRESET | {"model": {"lora": {"rank": 3}, "plm": None}}))
    by_hand = PromotionSettings(policy="manual", dice_loss=1, fraction_tolerance=1)
    workspace = changed(workspace, preset=str(other), promotion=by_hand)
    second = retrain(workspace)
    registry = open_registry(workspace)
    tags = registry.by_alias("challenger").tags
    assert tags.start == f"from the base: {first.model_version} has other settings of the model"
    assert not second.promoted and registry.by_alias("champion").name == first.model_version
    assert second.champion_metrics == first.metrics


def test_a_champion_of_an_earlier_built_in_network_is_replaced(workspace, tmp_path):
    """It can segment nothing any more; MatSAM stands in for it, and the training begins with the new network."""
    registry = open_registry(workspace)
    old = add_version(workspace, tmp_path / "old", base=Base("builtin", "0" * 64))
    promote(workspace, registry, old.name, why="a test")
    teach(workspace, tmp_path / "a", golden=1)
    with pytest.raises(CheckpointError, match=r"^the adapter was trained on builtin .* train again with 'curate retr"):
        choose_presegmenter(workspace)
    report = retrain(workspace)
    assert report.promoted and report.why.startswith("against MatSAM on 1 golden micrograph")
    assert report.champion_metrics is None and report.matsam_metrics is not None
    champion = registry.by_alias("champion")
    assert champion.name == report.model_version == choose_presegmenter(workspace).version
    assert champion.tags.start == f"from the base: {old.name} has other base and settings of the model"


def test_the_job_trains_when_it_is_due(workspace, tmp_path, monkeypatch):
    job, _ = enqueue(workspace, "retrain", "corrections")
    run_job(workspace, job.id)
    assert job_of(workspace, job.id).result["due"] is False
    teach(workspace, tmp_path / "a", golden=1)
    job, _ = enqueue(workspace, "retrain", "corrections")
    run_job(workspace, job.id)
    done = job_of(workspace, job.id)
    assert done.error is None and done.result["promoted"] and done.result["metrics"]["images"] == 1


def test_a_job_that_is_killed_after_registering_trains_no_second_version(workspace, tmp_path, monkeypatch):
    teach(workspace, tmp_path / "a", golden=1)
    with monkeypatch.context() as patch:
        patch.setattr(module, "_move_aliases", killed)
        with pytest.raises(KeyboardInterrupt):
            retrain(workspace, job="job-1")
    registry = open_registry(workspace)
    (version,) = registry.versions()
    assert version.aliases == ()
    report = retrain(workspace, if_due=True, job="job-1")
    assert [each.name for each in registry.versions()] == [version.name] == [report.model_version]
    assert report.promoted and (report.run_id, report.metrics) == (version.run_id, None)
    assert set(registry.versions()[0].aliases) == {"challenger", "champion", "champion-north"}
    assert [(job.kind, job.trigger) for job in jobs_of(workspace)] == [("presegment", "promotion")]
    with workspace.reading() as session:
        assert last_trained(session, workspace.project().id) is not None
    assert not retrain(workspace, if_due=True, job="job-2").due  # another one asks anew whether it is due


def killed(*_):
    raise KeyboardInterrupt
