"""Who pre-segments: MatSAM until there is a champion, then that; versions come from a real MLflow store."""

import logging

import numpy as np
import pytest

from matcurate.catalog import JobState
from matcurate.errors import CheckpointError, TrackingError
from matcurate.jobs.queue import jobs_of
from matcurate.labelstudio import decode_annotation, labelling_config, parse_labelling_config
from matcurate.phase.build import ModelSettings, base_of, build_model
from matcurate.phase.constrained import follow
from matcurate.phase.expert_ratio import ExpertRatio
from matcurate.phase.inference import phase_shares
from matcurate.phase.lora import LoraSettings
from matcurate.phase.plm import PlmSettings
from matcurate.phase.storage import save_adapter
from matcurate.services.processes import free_port
from matcurate.tracking.registry import Origin
from matcurate.tracking.runs import RunReport, live_run
from matcurate.workflows.home import backbone_of, initialise, load_original
from matcurate.workflows.labelling import Draft, TaskQuestion, push_project
from matcurate.workflows.presegment import (
    Learned,
    Serving,
    ZeroShot,
    answer_tasks,
    choose_presegmenter,
    open_presegmenter,
    presegment_micrographs,
)
from matcurate.workflows.presegment.predict import TaskAnswerer
from matcurate.workflows.versions import open_registry, promote, rollback
from tests.unit.learning_samples import add_disc
from tests.unit.loop_samples import make_workspace, with_settings

SETTINGS = ModelSettings(lora=LoraSettings(rank=2), plm=PlmSettings(hidden=4))
XML = labelling_config(["precipitate"])
CONFIG = parse_labelling_config(XML, ["precipitate"])


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return f"sqlite:///{tmp_path_factory.mktemp('mlflow') / 'mlflow.db'}"


@pytest.fixture
def workspace(tmp_path, store, request):
    """Connected, in a project of its own for each test."""
    made = make_workspace(tmp_path / "home")
    initialise(made.settings, request.node.name, ("precipitate",))
    return with_settings(made, made.settings.model_copy(update={"tracking_uri": store, "project": request.node.name}))


@pytest.fixture
def champion(workspace, tmp_path):
    """Promote an untrained model; it is returned, too."""

    def add(seed, phases=("matrix", "precipitate")):
        backbone = backbone_of(workspace, "builtin")
        model = build_model(backbone, len(phases), SETTINGS, seed)
        folder = tmp_path / f"adapter{seed}"
        folder.mkdir()
        save_adapter(folder / "adapter.safetensors", model, base_of(backbone), phases, SETTINGS)
        registry = open_registry(workspace)
        with live_run(registry.uri, "training", RunReport("train")) as live:
            live.files(folder, "model")
        number = registry.register(live.id, "model", Origin("a" * 64, "builtin", "b" * 64, "c" * 64, "north"))
        promote(workspace, registry, str(number), why="a test")
        return registry.version(number).name, model.eval()

    return add


def test_matsam_until_there_is_a_champion(workspace, champion, tmp_path, threshold):
    before = choose_presegmenter(workspace)
    assert isinstance(before, ZeroShot) and choose_presegmenter(workspace, before) is before
    name, model = champion(1)
    after = choose_presegmenter(workspace, before)
    assert isinstance(after, Learned) and after.version == name == f"{workspace.settings.project}-v1"
    assert choose_presegmenter(workspace, after) is after
    grey = load_original(workspace, add_disc(workspace, tmp_path / "in")).pixels
    found = after.segment(grey)
    shares = phase_shares(model, grey.astype(np.float32) / 255, np.zeros(2))
    np.testing.assert_array_equal(found.phases, shares.argmax(axis=0))
    assert found.score == pytest.approx(shares.max(axis=0).mean()) and 0.5 <= found.score <= 1
    assert (found.instances > 0).tolist() == (found.phases > 0).tolist()
    by_hand = with_settings(workspace, workspace.settings.model_copy(update={"pre_segmentation": "matsam"}))
    assert choose_presegmenter(by_hand).version == before.version
    assert open_presegmenter(workspace, threshold).version != before.version


def test_promotion_and_rollback_ask_for_predictions(workspace, champion):
    first, _ = champion(1)
    second, _ = champion(2)
    assert choose_presegmenter(workspace).version == second
    rollback(workspace, open_registry(workspace), why="a test")
    assert choose_presegmenter(workspace).version == first
    (job,) = jobs_of(workspace)  # still waiting: one is enough
    assert (job.kind, job.trigger, job.state) == ("presegment", "promotion", JobState.QUEUED)


def test_without_mlflow_a_home_that_promoted_nothing_goes_on(workspace, champion):
    address = f"http://127.0.0.1:{free_port()}"
    silent = with_settings(workspace, workspace.settings.model_copy(update={"tracking_uri": address}))
    assert isinstance(choose_presegmenter(silent), ZeroShot)
    champion(1)
    with pytest.raises(TrackingError, match=r"does not answer, and the champion is there; start it"):
        choose_presegmenter(silent)


def test_a_champion_of_other_phases_is_refused(workspace, champion):
    champion(1, ("matrix", "ferrite", "pearlite"))
    with pytest.raises(CheckpointError, match=r"knows the phases matrix, ferrite, pearlite, the project matrix, prec"):
        choose_presegmenter(workspace)


def test_its_predictions_replace_matsams_on_the_page(workspace, champion, studio, tmp_path):
    for _ in range(2):
        add_disc(workspace, tmp_path / "in")
    matsam = choose_presegmenter(workspace)
    presegment_micrographs(workspace, matsam)
    push_project(workspace, studio, matsam.version)
    name, _ = champion(1)
    presegment_micrographs(workspace, choose_presegmenter(workspace))
    report = push_project(workspace, studio, name)
    assert (report.tasks, report.predictions, studio.model_version) == (0, 2, name)
    assert {each.model_version for each in studio.stored_predictions.values()} == {name}


def test_an_experts_ratio_changes_the_answer_and_is_not_stored(workspace, champion, studio, tmp_path, caplog):
    micrograph = add_disc(workspace, tmp_path / "in")
    name, model = champion(1)
    grey = load_original(workspace, micrograph).pixels / np.float32(255)
    shares = phase_shares(model, grey, np.array([0.2, 0.8]))
    serving = Serving(lambda present: choose_presegmenter(workspace, present))

    def ask(context, *drafts):
        task = TaskQuestion(9, {"micrograph": micrograph.content_hash}, drafts)
        (answer,) = answer_tasks(workspace, studio, serving, [task], XML, context)
        return answer

    def typed(share):
        return {"type": "number", "from_name": "ratio_1", "to_name": "image", "value": {"number": share}}

    measured = {"type": "choices", "from_name": "ratio_trust", "value": {"choices": ["measured"]}}
    plain = ask(None)
    assert (plain.source, plain.model_version) == ("computed", name)
    assert ask(None, Draft([typed(numbers(plain)[0])])).source == "store"  # as the prediction has put it there
    told = ask({"result": [typed(0.8), measured]})
    assert told.source == "told" and numbers(told) == [0.8] and numbers(plain) != [0.8]
    assert told.regions == ask({"result": []}, Draft([typed(0.8), measured])).regions
    assert told.regions == ask(None, Draft([typed(0.8), measured])).regions  # the task is opened again
    phases = decode_annotation(told.regions, (96, 160), CONFIG).phases
    expected = follow(shares, np.array([np.nan, 0.8]), "measured").argmax(axis=0)
    np.testing.assert_array_equal(phases, expected)
    assert phases.mean() == pytest.approx(0.8, abs=0.006)
    (text,) = [region["value"]["text"] for region in told.regions if region["type"] == "textarea"]
    assert text == [f"precipitate: told 0.800, found {phases.mean():.3f} (measured)"]
    guessed = decode_annotation(ask({"result": [typed(0.8)]}).regions, (96, 160), CONFIG).phases.mean()
    assert numbers(plain)[0] - 0.002 < guessed < 0.8  # numbers are rounded
    task = TaskQuestion(9, {"micrograph": micrograph.content_hash})
    ratio = ExpertRatio.of_phases([0.8], "measured")
    answerer = TaskAnswerer.for_project(workspace, studio, serving, XML)
    assert answerer.with_ratio(task, answerer.micrograph(task), ratio).regions == told.regions
    assert ask(None, Draft([typed(1.4)])).source == "store"  # merely opened: a slip in a draft costs no masks
    assert ask({"result": []}).source == "store" and ask(None).regions == plain.regions
    with caplog.at_level(logging.WARNING):
        assert ask({"result": [typed(1.4)]}).source == "failed"
    assert "a phase ratio lies between 0 and 1" in caplog.text


def numbers(answer):
    return [region["value"]["number"] for region in answer.regions if region["type"] == "number"]


def test_a_told_area_is_that_of_the_pixels_that_count(workspace, champion):
    """The lowest rows are a data bar: neither in the area, nor masked."""
    champion(1)
    rng = np.random.default_rng(0)
    pixels, ignored = rng.integers(0, 255, (96, 160)).astype(np.uint8), np.zeros((96, 160), bool)
    ignored[80:] = True
    found = choose_presegmenter(workspace).segment(pixels, ExpertRatio.of_phases([0.3], "measured"), ignored)
    assert found.phase_fractions[1] == pytest.approx(0.3, abs=0.006) and not found.phases[80:].any()


def test_matsam_follows_a_told_area_too(workspace, threshold, tmp_path):
    micrograph = add_disc(workspace, tmp_path / "in")
    pixels, ignored = load_original(workspace, micrograph).pixels, np.zeros((96, 160), bool)
    ignored[90:] = True
    segmenter = open_presegmenter(workspace, threshold)
    before = segmenter.segment(pixels, ignored=ignored)
    after = segmenter.segment(pixels, ExpertRatio.of_phases([0.05], "measured"), ignored)
    assert before.phase_fractions[1] < 0.02
    assert after.phase_fractions[1] == pytest.approx(0.05, abs=0.01)  # rings of equal grey come as a whole
    assert (after.phases >= before.phases).all() and not after.phases[90:].any()
    assert (after.instances > 0).tolist() == (after.phases > 0).tolist()
