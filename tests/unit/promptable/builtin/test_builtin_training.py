"""Losses by hand, a network that learns, and runs that are broken off."""

import math
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
import torch

from matcurate.errors import CheckpointError, ConfigError
from matcurate.promptable.builtin.inference import probabilities
from matcurate.promptable.builtin.losses import balanced_accuracy, balanced_bce, confusion
from matcurate.promptable.builtin.network import NetworkSettings, UNet
from matcurate.promptable.builtin.recipe import Augmentation, Recipe
from matcurate.promptable.builtin.stream import Batch, Generated, Picture, batches
from matcurate.promptable.builtin.targets import boundaries
from matcurate.promptable.builtin.training import CHECKPOINT, WEIGHTS, Training, TrainingReport, train
from matcurate.promptable.builtin.weights import load_weights

TINY = Recipe(
    name="tiny",
    network=NetworkSettings(widths=(4, 8)),
    kinds=("phases", "grains"),
    picture=40,
    crop=32,
    crops_per_picture=2,
    steps=6,
    warmup=2,
    workers=0,
    report_steps=2,
)
TWO_KINDS = Generated(TINY.kinds, TINY.picture)


class Discs:
    """Always the same picture: bright discs of 9 pixels radius, one in each of 2 x 3 cells of 32 pixels."""

    sources = ("discs",)

    def __init__(self) -> None:
        rows, columns = np.mgrid[:64, :96] % 32
        self.phases = ((rows - 16) ** 2 + (columns - 16) ** 2 < 81).astype(np.uint8)
        noise = np.random.default_rng(0).integers(0, 30, (64, 96))
        self.pixels = (60 + 80 * self.phases + noise).astype(np.uint8)

    def draw(self, rng: np.random.Generator) -> Picture:
        return Picture.of(self.pixels, self.phases, None, 0)


def run(folder: Path, recipe: Recipe = TINY, resume: bool = False, minutes: float | None = None) -> Training:
    training = Training(recipe, seed=1)
    if resume:
        training.restore(folder / CHECKPOINT)
    folder.mkdir(exist_ok=True)
    train(training, TWO_KINDS, folder, {"recipe": recipe.name}, lambda report: None, minutes)
    return training


def test_balanced_loss_weighs_classes_not_pixels() -> None:
    logits = torch.tensor([0.0, 0.0, 0.0, math.log(3), 50.0])
    targets = torch.tensor([0, 0, 0, 1, -1])
    # Three zeros at probability .5, one 1 at probability .75; the unknown pixel counts for nothing.
    assert balanced_bce(logits, targets).item() == pytest.approx((math.log(2) + math.log(4 / 3)) / 2)
    assert balanced_bce(logits[:3], targets[:3]).item() == pytest.approx(math.log(2))
    assert balanced_bce(logits[4:], targets[4:]).item() == 0


def test_scores_are_kept_by_source() -> None:
    logits = torch.tensor([[[1.0, 1.0, -1.0, -1.0]], [[1.0, 1.0, 1.0, 1.0]]])
    targets = torch.tensor([[[1, 0, 0, 0]], [[1, 1, 1, -1]]])
    counts = confusion(logits, targets, torch.tensor([2, 0]), 3)
    assert counts.tolist() == [[3, 3, 0, 0], [0, 0, 0, 0], [1, 1, 2, 3]]
    assert balanced_accuracy(counts[2]) == pytest.approx((1 + 2 / 3) / 2)
    assert balanced_accuracy(counts[0]) is None and balanced_accuracy(counts[1]) is None


def test_one_picture_is_learned(tmp_path: Path) -> None:
    recipe = TINY.model_copy(
        update={
            "network": NetworkSettings(widths=(8, 16, 24)),
            "augmentation": Augmentation(scale=(0.8, 1.2), noise=(0.0, 0.02)),
            "steps": 120,
            "learning_rate": 0.01,
            "averaging": 0.9,
            "crops_per_picture": 3,
        }
    )
    discs, reports = Discs(), []
    train(Training(recipe, seed=0), discs, tmp_path, {}, reports.append)
    assert [report.step for report in reports] == list(range(2, 121, 2))
    assert reports[0].loss > 1.9 > 0.5 > reports[-1].loss
    assert reports[-1].accuracy["boundary"]["discs"] > 0.9 and reports[-1].accuracy["inside"]["discs"] > 0.9
    # The exported average, on the whole picture.
    edge, inside, right, below = probabilities(load_weights(tmp_path / WEIGHTS).network, discs.pixels)
    truth = boundaries(discs.phases.astype(np.int32))
    assert edge[truth].mean() > 0.8 and edge[~truth].mean() < 0.2
    assert ((inside > 0.5) == (discs.phases > 0)).mean() > 0.97
    for found, (turned, columns) in ((right, (discs.phases, 95)), (below.T, (discs.phases.T, 63))):
        changes = turned[:, 1:] != turned[:, :-1]
        assert found[:, :columns][changes].mean() > 0.7 and found[:, :columns][~changes].mean() < 0.2


def test_a_run_resumed_three_times_is_the_unbroken_one(tmp_path: Path) -> None:
    unbroken = run(tmp_path / "a")
    run(tmp_path / "b", TINY.model_copy(update={"steps": 1}))
    for steps in (3, 5):
        run(tmp_path / "b", TINY.model_copy(update={"steps": steps}), resume=True)
    resumed = run(tmp_path / "b", resume=True)
    assert unbroken.step == resumed.step == 6
    for one, other in ((unbroken.network, resumed.network), (unbroken.averaged, resumed.averaged)):
        for name, value in one.state_dict().items():
            assert torch.equal(value, other.state_dict()[name]), name
    first = load_weights(tmp_path / "a" / WEIGHTS)
    assert first.card["steps"] == "6" and first.card["recipe"] == "tiny"
    start = Training(TINY, seed=1)
    assert not torch.equal(start.network.heads.weight, unbroken.network.heads.weight)


def test_a_run_may_start_from_other_weights(tmp_path: Path) -> None:
    """Everything of the same name is taken over; what is new stays as it was drawn."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(7)
        old = UNet(NetworkSettings(widths=(4, 8), heads=("inside", "below")))
    fresh, training = Training(TINY, seed=1), Training(TINY, seed=1)
    training.start_from(old, "d1")
    for network in (training.network, training.averaged):
        assert torch.equal(network.encoder[0][0].weight, old.encoder[0][0].weight)
        assert torch.equal(network.heads.weight[[1, 3]], old.heads.weight)
        assert torch.equal(network.heads.bias[[1, 3]], old.heads.bias)
        assert torch.equal(network.heads.weight[[0, 2]], fresh.network.heads.weight[[0, 2]])
    training.save(tmp_path / CHECKPOINT)
    fresh.restore(tmp_path / CHECKPOINT)
    assert fresh.start == "d1" and torch.equal(fresh.network.heads.weight, training.network.heads.weight)
    with pytest.raises(ConfigError, match=r"widths \(4, 6\) and batch norm do not fit the recipe tiny"):
        training.start_from(UNet(NetworkSettings(widths=(4, 6))), "d2")


def test_the_exported_weights_are_the_moving_average() -> None:
    training = Training(TINY.model_copy(update={"averaging": 0.0}), seed=1)
    batch = next(iter(_batches()))
    training.advance(batch)
    for mean, value in zip(
        training.averaged.state_dict().values(), training.network.state_dict().values(), strict=True
    ):
        assert torch.equal(mean, value)
    slow = Training(TINY.model_copy(update={"averaging": 0.75}), seed=1)
    before = slow.averaged.heads.weight.clone()
    slow.advance(batch)
    # The first step's decay is 1/10, not .75.
    assert torch.allclose(slow.averaged.heads.weight, 0.1 * before + 0.9 * slow.network.heads.weight, atol=1e-6)


def test_the_time_is_kept(tmp_path: Path) -> None:
    reports: list[TrainingReport] = []
    training = Training(TINY.model_copy(update={"checkpoint_minutes": 1e-9}), seed=1)
    train(training, TWO_KINDS, tmp_path, {}, reports.append, minutes=0)
    assert training.step == 1 and [report.step for report in reports] == [1]
    assert reports[0].seconds == training.seconds > 0
    again = Training(TINY, seed=1)
    again.restore(tmp_path / CHECKPOINT)
    assert (again.step, again.seconds) == (1, training.seconds)


def test_accuracy_is_reported_by_kind(tmp_path: Path) -> None:
    reports: list[TrainingReport] = []
    recipe = TINY.model_copy(update={"pictures_per_step": 8, "steps": 2})
    train(Training(recipe, seed=1), TWO_KINDS, tmp_path, {}, reports.append)
    (report,) = reports
    assert set(report.accuracy["boundary"]) == {"phases", "grains"}
    assert set(report.accuracy["inside"]) == {"phases"}  # every pixel belongs to a grain
    assert all(0 <= value <= 1 for row in report.accuracy.values() for value in row.values())


def test_what_cannot_be_resumed_is_refused(tmp_path: Path) -> None:
    path = tmp_path / CHECKPOINT
    with pytest.raises(CheckpointError, match="no run to resume"):
        Training(TINY, seed=1).restore(path)
    Training(TINY, seed=1).save(path)
    for other in (Training(TINY, seed=2), Training(TINY.model_copy(update={"crop": 48}), seed=1)):
        with pytest.raises(ConfigError, match="of another recipe or seed"):
            other.restore(path)
    for damage in (path.read_bytes()[:500], b"", b"no checkpoint at all"):
        path.write_bytes(damage)
        with pytest.raises(CheckpointError, match="damaged") as caught:
            Training(TINY, seed=1).restore(path)
        assert "\n" not in str(caught.value)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_cuda_learns_as_the_cpu_does(tmp_path: Path) -> None:
    losses = {}
    for device in ("cpu", "cuda"):
        training = Training(TINY, seed=1, device=device)
        losses[device] = [float(training.advance(batch)[0]) for batch in _batches()]
        training.save(tmp_path / CHECKPOINT)
    assert losses["cuda"] == pytest.approx(losses["cpu"], rel=0.05)
    back = Training(TINY, seed=1)
    back.restore(tmp_path / CHECKPOINT)  # a run may go on where there is no GPU
    assert back.step == TINY.steps


def _batches() -> Iterable[Batch]:
    return batches(TWO_KINDS, TINY, seed=1, first_step=0)
