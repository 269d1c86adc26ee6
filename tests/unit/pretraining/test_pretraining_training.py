"""The training's state and its loop."""

from pathlib import Path

import pytest
import torch
from torch import nn

from matcurate.errors import CheckpointError, ConfigError
from matcurate.pretraining.crops import Batch, Crops
from matcurate.pretraining.training import Training, TrainingReport, train
from matcurate.promptable.builtin.network import OUTPUTS, NetworkSettings
from tests.unit.pretraining.pretraining_samples import mixture, recipe


def batch(step: int = 0) -> Batch:
    return Crops(mixture(), recipe(), 0)[step]


def tensors(network: nn.Module) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in network.state_dict().items()}


def test_one_step_lowers_the_loss() -> None:
    training = Training(recipe(), 0)
    losses = [float(training.advance(batch())[0].sum()) for _ in range(3)]
    assert losses[1] < losses[0] and losses[2] < losses[0]
    assert training.step == 3


def test_the_seed_draws_the_first_weights() -> None:
    one, again, other = (tensors(Training(recipe(), seed).network) for seed in (1, 1, 2))
    assert all(torch.equal(one[name], again[name]) for name in one)
    assert not torch.equal(one["heads.weight"], other["heads.weight"])


def test_the_encoders_statistics_stay_and_the_decoders_follow() -> None:
    training = Training(recipe(), 0)
    before = tensors(training.network)
    training.advance(batch())
    after = tensors(training.network)
    statistics = [name for name in before if name.endswith(("running_mean", "running_var"))]
    encoder = [name for name in statistics if name.startswith("encoder.")]
    assert encoder and all(torch.equal(before[name], after[name]) for name in encoder)
    assert all(not torch.equal(before[name], after[name]) for name in set(statistics) - set(encoder))
    assert not torch.equal(before["encoder.conv_stem.weight"], after["encoder.conv_stem.weight"])


def test_the_encoder_learns_by_its_own_rate() -> None:
    training = Training(recipe(learning_rate=0.01, encoder_rate=0.25), 0)
    training.advance(batch())
    assert [group["lr"] for group in training.optimizer.param_groups] == pytest.approx([0.0025, 0.01])


def test_the_average_follows_at_once_at_first() -> None:
    training = Training(recipe(averaging=0.998), 0)
    before = tensors(training.averaged)
    training.advance(batch())
    now = tensors(training.network)
    for name, mean in training.averaged.state_dict().items():
        if mean.is_floating_point():  # decay (1 + 0) / (10 + 0)
            assert torch.allclose(mean, 0.1 * before[name] + 0.9 * now[name], atol=1e-5)
        else:
            assert torch.equal(mean, now[name])
    assert not training.averaged.training
    training.average_now()
    assert torch.equal(training.averaged.heads.weight, training.network.heads.weight)


def test_a_restored_training_goes_on_as_the_saved_one(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pt"
    one = Training(recipe(), 0)
    for step in range(2):
        one.advance(batch(step))
    one.seconds = 12.5
    one.save(path)
    assert [each.name for each in tmp_path.iterdir()] == ["checkpoint.pt"]
    other = Training(recipe(learning_rate=0.001), 7)
    other.restore(path)
    assert (other.step, other.seconds) == (2, 12.5)
    for mine, theirs in ((one.network, other.network), (one.averaged, other.averaged)):
        wanted = tensors(mine)
        assert all(torch.equal(value, wanted[name]) for name, value in tensors(theirs).items())
    for step in (2, 3):
        losses, again = (float(each.advance(batch(step))[0].sum()) for each in (one, other))
        assert again == pytest.approx(losses, rel=1e-3)


def test_what_cannot_be_resumed_is_refused_with_the_remedy(tmp_path: Path) -> None:
    training, path = Training(recipe(), 0), tmp_path / "checkpoint.pt"
    with pytest.raises(CheckpointError, match="no run to resume; leave out --resume"):
        training.restore(path)
    training.save(path)
    with pytest.raises(ConfigError, match="of a network of another shape"):
        Training(recipe(network=NetworkSettings(encoder="test_efficientnet", detail=4)), 0).restore(path)
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(CheckpointError, match=r"damaged .*begin again in another folder"):
        training.restore(path)
    for other in ({"weights": torch.zeros(2)}, torch.zeros(3)):
        torch.save(other, path)
        with pytest.raises(ConfigError, match="of a network of another shape"):
            training.restore(path)


def run(minutes: float | None = None, steps: int = 5) -> tuple[list[TrainingReport], int, Training]:
    settings, reports, saved = recipe(steps=steps), [], []
    training = Training(settings, 0)
    coming = (batch(step) for step in range(steps))
    train(training, coming, ("discs", "nobody"), lambda: saved.append(training.step), reports.append, minutes)
    assert saved == [training.step]  # no minutes have passed before
    return reports, len(saved), training


def test_the_loop_reports_every_few_steps_and_at_the_end() -> None:
    reports, _, training = run()
    assert [report.step for report in reports] == [2, 4, 5] and training.step == 5
    assert training.seconds > 0
    for report in reports:
        assert set(report.loss) == set(OUTPUTS) == set(report.dice)
        assert all(0 <= value <= 1 for dice in report.dice.values() for value in dice.values())
        assert set(report.dice["foreground"]) == {"discs"}  # of the other source was nothing to find


def test_the_loop_ends_when_its_time_is_up() -> None:
    reports, saved, training = run(minutes=0)
    assert (training.step, saved) == (1, 1) and [report.step for report in reports] == [1]
