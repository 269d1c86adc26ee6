import pytest
import torch

from matcurate.errors import CheckpointError, ConfigError, TrainingError
from matcurate.phase.samples import SamplingSettings
from matcurate.phase.trainer import CHECKPOINT, TrainSettings, train, validation_dice
from tests.unit.phase.phase_samples import small_model, striped

SETTINGS = TrainSettings(
    steps=8,
    learning_rate=1e-2,
    warmup=2,
    validate_every=3,
    checkpoint_every=2,
    sampling=SamplingSettings(crop=32, batch=2),
)
PICTURES = [striped(seed=0), striped("more", seed=1)]


def values(model):
    return {name: value.clone() for name, value in model.state_dict().items()}


def test_a_run_stopped_and_resumed_ends_as_an_unbroken_one(tmp_path):
    unbroken, broken, resumed = (small_model(dropout=0.2) for _ in range(3))
    reports = []
    train(unbroken, PICTURES, SETTINGS, seed=5, validation=PICTURES[:1], report=reports.append)
    train(broken, PICTURES, SETTINGS, seed=5, validation=PICTURES[:1], folder=tmp_path, stop_after=5)
    assert (tmp_path / CHECKPOINT).exists()
    ended = train(resumed, PICTURES, SETTINGS, seed=5, validation=PICTURES[:1], folder=tmp_path, report=reports.append)
    assert ended.steps == 8 and not (tmp_path / CHECKPOINT).exists()
    assert [each.step for each in reports] == [3, 6, 8, 6, 8]
    assert [each.dice for each in reports[3:]] == [each.dice for each in reports[1:3]]
    after = values(unbroken)
    assert all(torch.allclose(value, after[name], atol=1e-6) for name, value in values(resumed).items())


def test_seeds_repeat_and_differ():
    models = [small_model() for _ in range(3)]
    for model, seed in zip(models, (0, 0, 1), strict=True):
        train(model, PICTURES, SETTINGS, seed=seed)
    first, again, other = (model.learned_state()["segmenter.head.weight"] for model in models)
    assert torch.equal(first, again) and not torch.equal(first, other)


def test_it_learns_and_keeps_the_best():
    model = small_model()
    before = validation_dice(model, PICTURES[:1])
    longer = SETTINGS.model_copy(update={"steps": 60, "validate_every": 10, "checkpoint_every": 100})
    reports = []
    ended = train(model, PICTURES[1:], longer, seed=0, validation=PICTURES[:1], report=reports.append)
    assert ended.best_dice == max(each.dice for each in reports) > before + 0.3
    assert validation_dice(model, PICTURES[:1]) == pytest.approx(ended.best_dice)
    assert reports[-1].gamma != 0.5 and reports[-1].delta != 0.5


def test_training_stops_when_nothing_gets_better():
    # A step this small changes no pixel's phase.
    still = SETTINGS.model_copy(
        update={"learning_rate": 1e-12, "weight_decay": 0.0, "validate_every": 1, "patience": 2}
    )
    model = small_model()
    for part in model.modules():
        if isinstance(part, torch.nn.BatchNorm2d):
            part.momentum = 0.0
    ended = train(model, PICTURES, still, seed=0, validation=PICTURES[:1])
    assert (ended.steps, ended.best_step, ended.stopped_early) == (3, 1, True)


def test_a_warm_start_begins_with_the_weights_given():
    source, model = small_model(seed=1), small_model(seed=0)
    tiny = SETTINGS.model_copy(update={"steps": 1, "learning_rate": 1e-12, "weight_decay": 0.0})
    train(model, PICTURES, tiny, seed=0, start=source.learned_state())
    assert torch.allclose(model.segmenter.head.weight, source.segmenter.head.weight, atol=1e-6)


def test_another_seed_and_a_damaged_checkpoint_are_refused(tmp_path):
    train(small_model(), PICTURES, SETTINGS, seed=0, folder=tmp_path, stop_after=1)
    with pytest.raises(ConfigError, match="another seed"):
        train(small_model(), PICTURES, SETTINGS, seed=1, folder=tmp_path)
    (tmp_path / CHECKPOINT).write_bytes(b"no")
    with pytest.raises(CheckpointError, match="damaged"):
        train(small_model(), PICTURES, SETTINGS, seed=0, folder=tmp_path)


def test_a_loss_that_is_not_finite_ends_the_training():
    model = small_model()
    with torch.no_grad():
        model.segmenter.head.bias.fill_(torch.nan)
    with pytest.raises(TrainingError, match="lower the learning rate"):
        train(model, PICTURES, SETTINGS, seed=0)


def test_progress_is_told_after_every_step_and_may_end_the_training(tmp_path):
    told = []

    def stop_at_five(done, total, note=""):
        told.append((done, total))
        if done == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(small_model(), PICTURES, SETTINGS, seed=0, folder=tmp_path, progress=stop_at_five)
    assert told == [(step, 8) for step in range(1, 6)]
    # It goes on from the last checkpoint, of step 4.
    train(small_model(), PICTURES, SETTINGS, seed=0, folder=tmp_path, progress=lambda done, *_: told.append(done))
    assert told[5:] == [5, 6, 7, 8]


def test_the_modules_have_a_learning_rate_of_their_own():
    def moved(rate):
        model = small_model()
        tiny = SETTINGS.model_copy(update={"steps": 1, "warmup": 0, "weight_decay": 0.0, "plm_rate": rate})
        before = (model.plm.aggregator.gamma.item(), model.segmenter.head.bias.detach().clone())
        train(model, PICTURES, tiny, seed=0)
        return abs(model.plm.aggregator.gamma.item() - before[0]), (model.segmenter.head.bias - before[1]).abs().max()

    (once, head), (thrice, same) = moved(1.0), moved(3.0)
    # The first step of Adam is the learning rate, whatever the gradient.
    assert once == pytest.approx(0.01, rel=1e-2) and thrice == pytest.approx(0.03, rel=1e-2)
    assert head.item() == pytest.approx(same.item())


def test_gradients_longer_than_the_clip_are_shortened_and_shorter_ones_are_not():
    def moved(clip):
        model = small_model()
        before = model.segmenter.head.bias.detach().clone()
        tiny = SETTINGS.model_copy(update={"steps": 1, "warmup": 0, "weight_decay": 0.0, "clip": clip})
        train(model, PICTURES, tiny, seed=0)
        return (model.segmenter.head.bias - before).abs().max().item()

    # Adam's first step is the learning rate, unless the gradient is small beside its epsilon of 1e-8.
    assert moved(None) == moved(1e6) == pytest.approx(0.01, rel=1e-2)
    assert moved(1e-11) < 0.01 * 1e-3 * 1.01
