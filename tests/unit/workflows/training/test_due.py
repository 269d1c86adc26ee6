"""When to train: decisions worked out by hand, and what they are made from."""

from datetime import UTC, datetime, timedelta

import pytest

from matcurate.catalog import mark_trained
from matcurate.config import RetrainSettings, load_settings, save_settings
from matcurate.errors import ConfigError
from matcurate.workflows.snapshots import take_snapshot
from matcurate.workflows.training.due import LearningState, decide, learning_state
from tests.unit.learning_samples import add_disc, correct, half, predicted
from tests.unit.loop_samples import make_workspace

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
SETTINGS = RetrainSettings(
    min_corrections=3, new_corrections=5, effort_window=2, effort_rise=0.5, effort_floor=0.02, max_age_days=10
)


def state(usable=10, new=1, days=1.0, changed=()):
    trained = None if days is None else NOW - timedelta(days=days)
    return LearningState(usable, new, trained, tuple(changed))


@pytest.mark.parametrize(
    ("known", "due", "reason"),
    [
        (state(new=5), True, "5 new corrections (5 trigger retraining)"),
        (state(usable=2, new=2), False, "2 usable corrections, 3 needed to train"),
        (state(new=0, days=99), False, "no new corrections since the last training"),
        (state(days=10), True, "last training 10.0 days ago (10 trigger retraining)"),
        (state(new=7, days=12), True, "7 new corrections (5 trigger retraining); last training 12.0 days ago (10 "),
        # earlier mean (.04 + .06) / 2 = .05; newest mean (.07 + .08) / 2 = .075 = 1.5 times, .025 more
        (state(changed=[0.04, 0.06, 0.07, 0.08]), True, "effort 7.5% of the pixels after 5.0% (50% and 2.0% more"),
        # the same with all earlier ones: (.04 + .06 + .08) / 3 = .06; .075 is not 1.5 times .06
        (
            state(changed=[0.04, 0.06, 0.08, 0.07, 0.08]),
            False,
            "1 new corrections (5 trigger retraining); effort 7.5%",
        ),
        # three times, but only .01 more
        (state(changed=[0.005, 0.005, 0.015, 0.015]), False, "1 new corrections"),
        (
            state(changed=[0.0, 0.9, 0.9]),
            False,
            "1 new corrections (5 trigger retraining); 3 corrections of the newest",
        ),
    ],
)
def test_decisions(known, due, reason):
    found = decide(known, SETTINGS, NOW)
    assert found.due is due
    assert found.reason.startswith(reason)


def test_why_not_names_every_trigger():
    found = decide(state(new=1, days=None), SETTINGS, NOW)
    assert [t.name for t in found.triggers] == ["new corrections", "effort", "age"]
    assert found.reason.count(";") == 2 and found.reason.endswith("never trained")
    assert not any(t.met for t in found.triggers)


def test_age_can_be_left_out():
    ageless = SETTINGS.model_copy(update={"max_age_days": None})
    assert not decide(state(days=10_000), ageless, NOW).due


def test_new_corrections_are_masks_that_were_not_trained_on(tmp_path):
    workspace = make_workspace(tmp_path / "home")
    images = [add_disc(workspace, tmp_path / "in") for _ in range(4)]
    golden = add_disc(workspace, tmp_path / "in", golden=True)
    for image in (*images[:3], golden):
        correct(workspace, image, half(20))
    assert learning_state(workspace) == LearningState(3, 3, None, ())
    snapshot = take_snapshot(workspace).snapshot
    assert learning_state(workspace).new == 3  # a snapshot alone is no training
    with workspace.writing() as session:
        mark_trained(session, snapshot.id, NOW)
    assert learning_state(workspace) == LearningState(3, 0, NOW, ())
    correct(workspace, images[0], half(20), minutes=5)  # saved again, nothing changed
    assert learning_state(workspace).new == 0
    correct(workspace, images[0], half(21), minutes=6)
    correct(workspace, images[3], half(20), minutes=6)
    assert learning_state(workspace) == LearningState(4, 2, NOW, ())


def test_effort_is_that_of_the_version_corrected_last(tmp_path):
    workspace = make_workspace(tmp_path / "home")
    for minutes, (version, columns) in enumerate([("old", 16), ("new", 32), ("old", 48), ("new", 64)]):
        image = add_disc(workspace, tmp_path / "in")
        parent = predicted(workspace, image, half(0), version)
        correct(workspace, image, half(columns), minutes=minutes, parent_prediction_id=parent)
    assert learning_state(workspace).changed == (0.2, 0.4)


def test_the_settings_decide(tmp_path):
    workspace = make_workspace(tmp_path / "home")
    for _ in range(2):
        correct(workspace, add_disc(workspace, tmp_path / "in"), half())
    state = learning_state(workspace)
    assert decide(state, workspace.settings.retrain, NOW).reason == "2 usable corrections, 4 needed to train"
    save_settings(tmp_path / "home", {"retrain": {"min_corrections": 2, "new_corrections": 2}})
    assert decide(state, load_settings(tmp_path / "home").retrain, NOW).due
    save_settings(tmp_path / "home", {"retrain": {"new_correction": 2}})
    with pytest.raises(ConfigError, match=r"retrain\.new_correction"):
        load_settings(tmp_path / "home")
