"""Classes by a network that is fine-tuned whole: where its weights come from, and the story through the workflows."""

import hashlib
import http.server
import threading
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from torchvision.models import get_model, get_model_weights

from matcurate.bench.novelty import NoveltyDraws, bench_novelty, network_learning
from matcurate.config import ClassSettings, NetworkSettings, Settings
from matcurate.errors import CheckpointError, ConfigError
from matcurate.imaging.synth.textures import texture
from matcurate.learned.class_networks import GreyCrops, network_learner
from matcurate.promptable import catalogue
from matcurate.promptable.catalogue import IMAGENET, Checkpoint
from matcurate.uncertainty.network import ARCHITECTURES
from matcurate.workflows.classes import merge, name_micrographs, overview
from matcurate.workflows.classes.classes import known_classes
from matcurate.workflows.classes.heads import load_class_head
from matcurate.workflows.home import Workspace, pull_checkpoint
from matcurate.workflows.ingest import ingest_files
from tests.unit.loop_samples import make_workspace

NAME = "mobilenet_v3_small"
SHAPE = (64, 96)


def test_published_weights_are_those_of_torchvision() -> None:
    assert set(IMAGENET) == set(ARCHITECTURES)
    for name, entry in IMAGENET.items():
        weights = get_model_weights(name)["IMAGENET1K_V1"]
        assert entry.url == weights.url
        assert entry.filename.removesuffix(".pth").rsplit("-", 1)[1] == entry.sha256[:8]
        assert entry.size / 2**20 == pytest.approx(weights.meta["_file_size"], abs=0.0006)


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A state of the network, at an address, and known by its digest as torchvision's is."""
    (tmp_path / "served").mkdir()
    path = tmp_path / "served" / "weights.pth"
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        state = get_model(NAME, weights=None).state_dict()
    torch.save(state, path)
    handler = partial(Quiet, directory=str(tmp_path / "served"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        url = f"http://127.0.0.1:{server.server_port}/weights.pth"
        entry = Checkpoint(NAME, "m.pth", url, path.stat().st_size, hashlib.sha256(path.read_bytes()).hexdigest())
        monkeypatch.setitem(catalogue.IMAGENET, NAME, entry)
        yield state
        server.shutdown()
        thread.join()


def test_weights_are_fetched_into_the_store_and_begun_with(tmp_path: Path, published) -> None:
    settings = Settings(home=tmp_path / "home")
    cache = settings.resolved_cache_dir
    with pytest.raises(CheckpointError, match=rf"run 'curate checkpoints pull {NAME}', or set .* to 'none'") as caught:
        network_learner(NAME, NetworkSettings(), cache)
    assert "\n" not in str(caught.value)
    pulled = pull_checkpoint(settings, NAME)
    learner = network_learner(NAME, NetworkSettings(), cache, "cpu")
    assert learner.start.keys() == published.keys()
    assert all(torch.equal(value, published[name]) for name, value in learner.start.items())
    pulled.path.write_bytes(b"x" * pulled.checkpoint.size)
    with pytest.raises(CheckpointError, match=f"is not the official {NAME}"):
        network_learner(NAME, NetworkSettings(), cache)


def test_weights_from_a_file_or_from_none(tmp_path: Path, published) -> None:
    mine = NetworkSettings(weights=str(tmp_path / "served" / "weights.pth"), epochs=3, batch=5, learning_rate=0.01)
    learner = network_learner(NAME, mine, tmp_path, "cpu")
    assert learner.start.keys() == published.keys()
    training = learner.training
    assert (training.epochs, training.batch, training.learning_rate) == (3, 5, 0.01)
    assert network_learner(NAME, NetworkSettings(weights="none"), tmp_path, "cpu").start is None
    (tmp_path / "text.pth").write_text("no weights")
    for path in ("text.pth", "nowhere.pth"):
        with pytest.raises(CheckpointError, match="to another file, to 'imagenet'"):
            network_learner(NAME, NetworkSettings(weights=str(tmp_path / path)), tmp_path)


def test_grey_values_are_stretched() -> None:
    grey = GreyCrops(NAME)(np.array([[[0, 51], [102, 255]]], dtype=np.uint8))
    assert grey.ravel().tolist() == pytest.approx([0, 0.2, 0.4, 1])
    assert GreyCrops("resnet18").digest != GreyCrops(NAME).digest


def opened(workspace: Workspace, **classes: object) -> Workspace:
    chosen = ClassSettings(crop=32, per_edge=2, **classes)
    settings = workspace.settings.model_copy(update={"classes": chosen})
    return Workspace(settings, workspace.engine, workspace.objects)


def test_classes_are_named_listed_and_merged_with_a_network(tmp_path: Path) -> None:
    workspace, ids = make_workspace(tmp_path / "home", connected=False), {}
    for name, seed in (("cells", 0), ("weave", 3), ("leaves", 5)):
        sheet = texture((2 * SHAPE[0], SHAPE[1]), np.random.default_rng(seed))
        for number in range(2):
            cv2.imwrite(str(tmp_path / f"{name}{number}.png"), sheet[SHAPE[0] * number : SHAPE[0] * (number + 1)])
        ids[name] = [each.id for each in ingest_files(workspace, sorted(tmp_path.glob(f"{name}?.png"))).added]
    quick = NetworkSettings(weights="none", epochs=1, batch=8)
    network = opened(workspace, model=NAME, network=quick, retraining="finetune")
    with pytest.raises(ConfigError, match="there would be one; set"):
        name_micrographs(network, "cells", ids["cells"][:1])
    assert not known_classes(network).names
    name_micrographs(opened(workspace), "cells", ids["cells"][:1])
    with pytest.raises(ConfigError, match="name a micrograph again"):
        overview(network)  # the head is of embeddings
    second = name_micrographs(network, "weave", ids["weave"][:1])
    assert (second.classes, second.before, second.grown) == (("cells", "weave"), None, None)
    record = known_classes(network).head
    assert (record.model, load_class_head(network, record).classes) == (NAME, ("cells", "weave"))
    third = name_micrographs(network, "leaves", ids["leaves"][:1])
    assert third.grown == third.head - 1  # grown by an output, then trained on
    assert third.before is not None and third.after is not None
    found = overview(network)
    asked = {each.micrograph_id: each for each in (*found.queue, *found.recognised)}
    assert set(asked) == {each[1] for each in ids.values()}
    learned_from = {each[0] for each in ids.values()}
    for each in asked.values():
        assert sum(like.probability for like in each.similar) == pytest.approx(1)
        assert {crop.micrograph_id for like in each.similar for crop in like.examples} <= learned_from
    merged = merge(network, "leaves", "weave")
    assert merged.classes == ("cells", "weave")
    with pytest.raises(ConfigError, match="there would be one"):
        merge(network, "weave", "cells")
    with pytest.raises(ConfigError, match="alexnet takes crops of 64 pixels"):
        overview(opened(workspace, model="alexnet", network=quick))


def test_the_benchmark_takes_a_network(tmp_path: Path) -> None:
    for seed in range(4):
        cv2.imwrite(str(tmp_path / f"t{seed}.png"), texture((48, 120), np.random.default_rng(seed)))
    settings, quick = Settings(home=tmp_path / "home"), NetworkSettings(weights="none", epochs=1)
    draws, learning = NoveltyDraws(novel=1, choices=1, crop=32), network_learning(settings, NAME, quick, 32)
    report, again = (bench_novelty(tmp_path, draws, learning, max_megapixels=1) for _ in range(2))
    assert (report.model, report.backbone, report.known) == (NAME, "", 3)
    assert again.per_choice == report.per_choice
    with pytest.raises(ConfigError, match="alexnet takes crops of 64 pixels"):
        network_learning(settings, "alexnet", quick, 32)
