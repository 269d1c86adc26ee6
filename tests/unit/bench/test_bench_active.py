"""Active learning played through on micrographs with two textures, one of them rare."""

import json

import numpy as np
import pytest

from matcurate.acquisition.strategies import STRATEGIES
from matcurate.bench import active as room
from matcurate.bench import crop_pool
from matcurate.bench.active import ActiveChoice, bench_active
from matcurate.bench.crop_pool import PixelGrid, areas
from matcurate.cli.app import run as command
from matcurate.config import load_settings
from matcurate.errors import ConfigError
from matcurate.imaging.dataset import write_sample
from matcurate.uncertainty.pixels import PixelSettings

HEAD = PixelSettings(hidden=16, pixels=300, steps=40, batch=128, learning_rate=0.01)
TRIED = ("random", "evidential-diverse", "bald")


def dataset(folder, count, seed):
    """Dark ground, bright bars; one image in three also has a grey patch of phase 2."""
    rng = np.random.default_rng(seed)
    for index in range(count):
        labels = np.zeros((64, 128), np.uint8)
        labels[:, 20:40] = 1
        if index % 3 == 0:
            labels[16:48, 80:112] = 2
        pixels = np.array([40, 200, 120])[labels] + rng.integers(0, 30, labels.shape)
        write_sample(folder, f"image{index}", pixels.astype(np.uint8), labels)
    return folder


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("data")
    return dataset(root / "train", 4, 0), dataset(root / "val", 2, 9)


def played(folders, **changes):
    options = {"strategies": TRIED, "rounds": 3, "batch": 2, "seeds": 2, "crop": 64, **changes}
    settings = load_settings(folders[0] / "home")
    return bench_active(*folders, ActiveChoice(**options), settings=settings, head=HEAD)


@pytest.fixture(scope="module")
def report(folders):
    return played(folders)


def test_all_strategies_begin_alike_and_are_measured_after_each_round(report):
    assert report.pool == 8 and report.labelled == (2, 4, 6) and report.seeds == (0, 1)
    assert report.target == pytest.approx(0.95 * report.full_dice)
    assert set(report.strategies) == set(TRIED)
    firsts = {tuple(each[0] for each in curve.per_seed) for curve in report.strategies.values()}
    assert len(firsts) == 1  # the same first batch
    for curve in report.strategies.values():
        assert curve.dice == pytest.approx(np.mean(curve.per_seed, axis=0))
        assert curve.deviation == pytest.approx(np.std(curve.per_seed, axis=0))
        # Trapezoids over 2 to 6 crops.
        first, second, third = curve.dice
        assert curve.area == pytest.approx((first + 2 * second + third) / 4)


def test_crops_to_the_target_are_those_of_the_first_round_that_reaches_it(report):
    for curve in report.strategies.values():
        reached = [count for count, dice in zip(report.labelled, curve.dice, strict=True) if dice >= report.target]
        assert curve.images_to_target == (reached[0] if reached else None)
    own, random = (report.strategies[name].images_to_target for name in ("bald", "random"))
    assert report.strategies["bald"].share_of_random == (own / random if own and random else None)


def test_it_repeats_and_ends_with_the_pool(folders, report):
    again = played(folders, strategies=("bald", "random"), rounds=9, batch=2)
    assert again.labelled == (2, 4, 6, 8)
    assert again.strategies["bald"].per_seed[1][:3] == report.strategies["bald"].per_seed[1]
    # All crops are all crops, whatever the order.
    last = [curve.dice[-1] for curve in again.strategies.values()]
    assert last[0] == last[1] == pytest.approx(again.full_dice)


@pytest.mark.parametrize("strategy", sorted(set(STRATEGIES) - set(TRIED) - {"change"}))
def test_every_strategy_plays(folders, strategy):
    found = played(folders, strategies=(strategy,), rounds=2, seeds=1).strategies[strategy]
    assert len(found.dice) == 2 and found.share_of_random is None


def test_crops_are_parts_of_their_pictures():
    # Pixels 2, 6, 10 … in rows and columns are looked at; crops begin at pixel 0 and 30.
    whole = np.arange(70 * 130).reshape(70, 130)
    grid = whole[2::4, 2::4]
    looked = PixelGrid(grid.reshape(-1, 1).astype(np.float16), (grid % 251).astype(np.uint8))
    assert areas((70, 130), 100) == [(slice(0, 70), slice(0, 100))]
    for area in areas(whole.shape, 30):
        part = crop_pool._part(looked, area)
        inside = np.isin(grid, whole[area])
        assert (part.labels.ravel() == (grid[inside] % 251)).all() and len(part.features) == inside.sum()
        np.testing.assert_array_equal(part.features[:, 0], grid[inside].astype(np.float16))
    assert len(areas(whole.shape, 30)) == 8


def test_what_cannot_be_played_is_refused(folders):
    with pytest.raises(ConfigError, match="strategies guess: name some of random"):
        played(folders, strategies=("random", "guess"))
    with pytest.raises(ConfigError, match="each once"):
        played(folders, strategies=("random", "random"))
    with pytest.raises(ConfigError, match="8 crops are no batch of 9"):
        played(folders, batch=9)
    with pytest.raises(ConfigError, match="rounds, batch and seeds"):
        played(folders, rounds=0)


def test_the_command(folders, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(room.bench_active, "__kwdefaults__", {**room.bench_active.__kwdefaults__, "head": HEAD})
    call = ["--home", str(tmp_path), "bench", "active", *map(str, folders), "--strategies", "random,kcenter"]
    call += ["--rounds", "2", "--batch", "2", "--seeds", "1", "--crop", "64"]
    assert command([*call, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert list(document["strategies"]) == ["random", "kcenter"] and len(document["strategies"]["random"]["dice"]) == 2
    assert command(call) == 0
    assert "kcenter" in capsys.readouterr().out
    assert command([*call[:5], str(folders[1]), "--strategies", "guess"]) == 1
    assert capsys.readouterr().err.startswith("error: strategies guess")
