import json
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from matcurate.cli.app import run


def test_the_codec_is_timed_on_three_masks_and_agrees_with_the_sdk(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["bench", "codec", "--size", "96x160", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["identical"] is True
    assert report["size"] == [96, 160]
    assert [mask["name"] for mask in report["masks"]] == ["smooth", "fine", "noisy"]
    # the finer the mask, the longer its code
    sizes = [mask["bytes"] for mask in report["masks"]]
    assert sizes == sorted(set(sizes))
    for key in ("encode_seconds", "encode_seconds_sdk", "decode_seconds", "decode_seconds_sdk"):
        times = sorted(mask[key] for mask in report["masks"])
        assert report[key] == times[1] > 0


def test_each_codec_is_run_as_often_as_its_median_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    from matcurate.bench import codec as bench_codec

    calls: Counter[str] = Counter()

    def counted(name: str, action: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            calls[name] += 1
            return action(*arguments)

        return call

    for place, name in (
        (bench_codec, "encode_rle"),
        (bench_codec, "decode_rle"),
        (bench_codec.brush, "mask2rle"),
        (bench_codec.brush, "decode_rle"),
    ):
        monkeypatch.setattr(place, name, counted(f"{place.__name__} {name}", getattr(place, name)))
    bench_codec.bench_codec((16, 24))
    ours, theirs = 3 * bench_codec.REPEATS, 3 * bench_codec.REPEATS_SDK
    assert list(calls.values()) == [theirs, ours, theirs, ours]


def test_a_disagreement_would_show(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    from matcurate.bench import codec as bench_codec
    from matcurate.labelstudio import rle

    monkeypatch.setattr(bench_codec, "encode_rle", lambda mask: [*rle.encode_rle(mask)[:-1], 1])
    assert run(["bench", "codec", "--size", "16x24", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["identical"] is False


def test_the_table_has_a_row_for_each_mask(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["bench", "codec", "--size", "16x24"]) == 0
    out = capsys.readouterr().out
    assert all(name in out for name in ("smooth", "fine", "noisy", "median"))


def test_sizes_without_pixels_or_with_too_many_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    for size in ("0x5", "99999x99999"):
        assert run(["bench", "codec", "--size", size]) == 1
        assert "choose another" in capsys.readouterr().err
