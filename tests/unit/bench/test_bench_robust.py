import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from matcurate.bench.robust import bench_robust
from matcurate.bench.segment import bench_segment
from matcurate.cli.app import run
from matcurate.config import Settings
from matcurate.errors import ConfigError
from matcurate.imaging.changes import CHANGES
from matcurate.imaging.dataset import write_sample

SHAPE = (96, 160)
CHOSEN = ("inverted", "shaded", "turned")


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    rows, columns = np.mgrid[: SHAPE[0], : SHAPE[1]]
    truth = np.hypot(rows % 48 - 24, columns % 40 - 20) < 12
    for seed, name in enumerate(("a", "b")):
        noise = np.random.default_rng(seed).normal(0, 2, SHAPE)
        pixels = (np.where(truth, 130.0, 100.0) + noise).astype(np.uint8)
        write_sample(tmp_path / "data", name, pixels, truth.astype(np.uint8))
    return tmp_path / "data"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "home", backbone="builtin")


def untimed(report: object) -> object:
    """Scores alone: every run takes other seconds."""
    document = asdict(report)  # type: ignore[call-overload]
    document["seconds_per_image"] = 0.0
    for image in document["per_image"]:
        image["seconds"] = 0.0
    return document


def test_unchanged_images_are_measured_as_by_bench_segment(dataset: Path, settings: Settings) -> None:
    report = bench_robust(dataset, "otsu", settings=settings, changes=CHOSEN)
    plain = untimed(bench_segment(dataset, "otsu", settings=settings))
    assert isinstance(plain, dict)
    assert plain.items() <= untimed(report).items()  # type: ignore[attr-defined]


def test_each_change_is_measured_and_the_worst_is_named(dataset: Path, settings: Settings) -> None:
    report = bench_robust(dataset, "otsu", settings=settings, changes=CHOSEN)
    assert tuple(report.changes) == CHOSEN
    assert report.changes["turned"].iou == pytest.approx(report.iou, abs=1e-6)
    assert report.changes["inverted"].iou == pytest.approx(report.iou, abs=0.01)
    assert [image.polarity for image in report.changes["inverted"].per_image] == ["dark", "dark"]
    assert (report.worst_change, report.worst_iou_changes) == ("shaded", report.changes["shaded"].iou)
    assert report.worst_iou_changes < report.iou - 0.3
    assert report.mean_iou_changes == pytest.approx(sum(s.iou for s in report.changes.values()) / 3)
    assert report.mean_ari_changes == pytest.approx(sum(s.ari for s in report.changes.values()) / 3)
    assert bench_robust(dataset, "bias", settings=settings, changes=["shaded"]).worst_iou_changes > 0.95


def test_a_negative_has_the_other_polarity(dataset: Path, settings: Settings) -> None:
    report = bench_robust(dataset, "otsu", settings=settings, polarity="bright", changes=["inverted", "faint"])
    sides = {name: scores.per_image[0].polarity for name, scores in report.changes.items()}
    assert sides == {"inverted": "dark", "faint": "bright"}
    assert report.changes["inverted"].iou > 0.95


def test_random_changes_repeat_with_their_seed(dataset: Path, settings: Settings) -> None:
    def iou(seed: int) -> float:
        return bench_robust(dataset, "otsu", settings=settings, changes=["noise-40"], seed=seed).worst_iou_changes

    assert iou(0) == iou(0) != iou(1)


def test_limit_and_progress(dataset: Path, settings: Settings) -> None:
    told: list[tuple[int, int, str]] = []
    report = bench_robust(
        dataset,
        "otsu",
        settings=settings,
        changes=["faint", "turned"],
        limit=1,
        progress=lambda done, total, note="": told.append((done, total, note)),
    )
    assert [scores.images for scores in (report, *report.changes.values())] == [1, 1, 1]
    assert told == [(0, 3, "a"), (1, 3, "faint: a"), (2, 3, "turned: a")]


def test_an_unknown_change_is_refused(dataset: Path, settings: Settings) -> None:
    with pytest.raises(ConfigError, match="no change 'blury'"):
        bench_robust(dataset, "otsu", settings=settings, changes=["blury"])


def test_bias_stands_what_leaves_two_grey_levels(dataset: Path, settings: Settings) -> None:
    beyond_a_threshold = {"letters", "scale-bar", "data-bar", "padded", "scratched", "noise-40", "reduced-4", "blur-4"}
    names = [name for name in CHANGES if name not in beyond_a_threshold]
    report = bench_robust(dataset, "bias", settings=settings, changes=names, limit=1)
    assert {name: scores.iou for name, scores in report.changes.items() if scores.iou < report.iou - 0.2} == {}


def curate(tmp_path: Path, *arguments: object) -> int:
    return run(["--home", str(tmp_path / "home"), *(str(a) for a in arguments)])


def test_command_json(tmp_path: Path, dataset: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = "bench", "robust", dataset, "--method", "otsu", "--changes", "faint, inverted", "--polarity", "bright"
    assert curate(tmp_path, *command, "--json") == 0
    report = json.loads(capsys.readouterr().out)
    assert list(report["changes"]) == ["faint", "inverted"]
    assert set(report["changes"]["faint"]) <= set(report)
    assert (report["method"], report["images"], report["changes"]["faint"]["images"]) == ("otsu", 2, 2)
    assert report["changes"]["faint"]["per_image"][0]["name"] == "a"
    assert report["mean_iou_changes"] > 0.9


def test_command_table(tmp_path: Path, dataset: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = "bench", "robust", dataset, "--method", "bias", "--changes", "faint", "--limit", 1
    assert curate(tmp_path, *command) == 0
    printed = capsys.readouterr().out
    assert "unchanged" in printed and "faint" in printed and "mean of the" in printed


def test_command_names_what_it_could_not_measure(
    tmp_path: Path, dataset: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (dataset / "images" / "b.png").write_bytes(b"")
    assert curate(tmp_path, "bench", "robust", dataset, "--method", "otsu", "--changes", "faint", "--json") == 1
    printed = capsys.readouterr()
    assert json.loads(printed.out)["changes"]["faint"]["images"] == 1
    assert "error: faint: " in printed.err


@pytest.mark.parametrize("option", [("--changes", "blury"), ("--changes", ","), ("--method", "none"), ("--limit", 0)])
def test_usage_errors(option: tuple[str, object], tmp_path: Path, dataset: Path) -> None:
    assert curate(tmp_path, "bench", "robust", dataset, *option) == 2
