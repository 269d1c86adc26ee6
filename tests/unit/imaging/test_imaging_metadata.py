"""The record of a recording."""

import pytest

from matcurate.imaging.metadata import UNKNOWN, Acquisition


def test_gaps_are_filled_and_nothing_is_replaced() -> None:
    tag = Acquisition(instrument="Helios", voltage_kv=5.0)
    text = Acquisition(instrument="SU8000", detector="SE(U)", image_rows=960)
    assert tag.completed(text) == Acquisition("Helios", "SE(U)", 5.0, image_rows=960)
    assert UNKNOWN.completed(text) == text


@pytest.mark.parametrize("value", [{"voltage_kv": 0.0}, {"magnification": float("nan")}, {"image_rows": -1}])
def test_values_that_cannot_be_are_refused(value: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(value))):
        Acquisition(**value)
    with pytest.raises(ValueError, match="instrument"):
        Acquisition(instrument="")
