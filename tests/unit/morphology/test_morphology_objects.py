import csv
from pathlib import Path

import numpy as np
import pytest

from matcurate.morphology.objects import measure_objects
from matcurate.morphology.tables import object_records, write_objects
from matcurate.types import Calibration

SHAPE = (96, 160)
# steps between the centres of the outer pixels, four turns, and half a pixel all around (Vossepoel and Smeulders)
PERIMETERS = [0.980 * 2 * (9 + 29) - 4 * 0.091 + np.pi, 0.980 * 2 * (9 + 3) - 4 * 0.091 + np.pi]


def labels() -> np.ndarray:
    ids = np.zeros(SHAPE, dtype=np.uint32)
    ids[10:20, 100:130] = 7  # 10 x 30 inside
    ids[50:60, 0:4] = 300_000  # touches the left edge
    return ids


def test_values_by_hand() -> None:
    table = measure_objects(labels())
    assert table.id.tolist() == [7, 300_000]
    assert table.area.tolist() == [300.0, 40.0]
    assert table.x.tolist() == [114.5, 1.5]
    assert table.y.tolist() == [14.5, 54.5]
    assert table.perimeter == pytest.approx(PERIMETERS)
    assert table.equivalent_diameter == pytest.approx([np.sqrt(4 * 300 / np.pi), np.sqrt(4 * 40 / np.pi)])
    assert table.circularity == pytest.approx(
        [4 * np.pi * a / p**2 for a, p in zip((300, 40), PERIMETERS, strict=True)]
    )
    assert table.feret_max == pytest.approx([np.hypot(10, 30), np.hypot(10, 4)])
    assert table.feret_min == pytest.approx([10, 4])
    assert table.aspect_ratio == pytest.approx([3.0, 2.5])
    assert table.orientation == pytest.approx([0.0, 90.0])
    assert table.solidity.tolist() == [1.0, 1.0]
    assert table.neighbours.tolist() == [0, 0]
    assert table.nearest_distance == pytest.approx([np.hypot(113, 40)] * 2)
    assert (table.height.tolist(), table.width.tolist()) == ([10, 10], [30, 4])
    assert table.touches_border.tolist() == [False, True]
    assert table.phase.tolist() == [0, 0]
    assert len(table) == 2


@pytest.mark.parametrize(("rows", "columns"), [((0, 5), (9, 12)), ((90, 96), (9, 12)), ((9, 12), (150, 160))])
def test_every_edge_counts_as_border(rows: tuple[int, int], columns: tuple[int, int]) -> None:
    ids = np.zeros(SHAPE, dtype=np.uint16)
    ids[slice(*rows), slice(*columns)] = 1
    assert measure_objects(ids).touches_border.tolist() == [True]


def test_a_disc_is_round_and_a_dot_is_not_rounder() -> None:
    rows, columns = np.mgrid[: SHAPE[0], : SHAPE[1]]
    ids = (np.hypot(rows - 48, columns - 80) < 30).astype(np.uint16)
    ids[2, 2] = 2
    table = measure_objects(ids)
    assert table.circularity[0] == pytest.approx(1.0, abs=0.02)
    assert table.circularity[1] == 1.0
    assert table.equivalent_diameter[0] == pytest.approx(60, abs=1)


def test_the_phase_is_that_of_most_pixels() -> None:
    ids, phases = labels(), np.zeros(SHAPE, dtype=np.uint8)
    phases[10:20, 100:130] = 2
    phases[10:13, 100:130] = 1
    phases[50:60, 0:4] = 5
    assert measure_objects(ids, phases).phase.tolist() == [2, 5]
    assert measure_objects(ids, np.zeros(SHAPE, dtype=np.uint8)).phase.tolist() == [0, 0]
    assert measure_objects(ids, phases.astype(np.uint16) + 60_000).phase.tolist() == [60_002, 60_005]


def test_objects_that_fill_the_image_and_none_at_all() -> None:
    halves = np.ones((4, 6), dtype=np.uint16)
    halves[:, 3:] = 2
    table = measure_objects(halves, halves)
    assert (table.id.tolist(), table.area.tolist(), table.phase.tolist()) == ([1, 2], [12.0, 12.0], [1, 2])
    assert len(measure_objects(np.zeros(SHAPE, dtype=np.uint16))) == 0
    assert len(measure_objects(np.zeros(SHAPE, dtype=np.uint16), np.zeros(SHAPE, dtype=np.uint8))) == 0


def read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def test_csv_in_pixels(tmp_path: Path) -> None:
    write_objects(measure_objects(labels()), tmp_path / "o.csv")
    first, second = read(tmp_path / "o.csv")
    assert first["id"] == "7"
    assert first["area_px"] == "300"
    assert (first["x_px"], first["y_px"]) == ("114.5", "14.5")
    assert (first["touches_border"], second["touches_border"]) == ("0", "1")
    assert (first["neighbours"], first["solidity"], first["orientation_deg"]) == ("0", "1", "0")
    assert not any(name.endswith(("nm", "um", "um2")) for name in first)


def test_large_areas_keep_their_digits(tmp_path: Path) -> None:
    ids = np.ones((1200, 1001), dtype=np.uint8)
    write_objects(measure_objects(ids), tmp_path / "o.csv")
    (row,) = read(tmp_path / "o.csv")
    assert row["area_px"] == "1201200"
    assert row["nearest_distance_px"] == ""  # it is alone


def test_records_have_the_columns_of_the_csv(tmp_path: Path) -> None:
    table, scale = measure_objects(labels()), Calibration(50.0)
    write_objects(table, tmp_path / "o.csv", scale)
    first, second = object_records(table, scale)
    assert list(first) == list(read(tmp_path / "o.csv")[0])
    assert (first["id"], first["touches_border"], second["touches_border"]) == (7, False, True)
    assert first["area_um2"] == pytest.approx(0.75)
    alone = np.zeros(SHAPE, dtype=np.uint8)
    alone[3:9, 4:9] = 1
    assert object_records(measure_objects(alone))[0]["nearest_distance_px"] is None


def test_csv_in_physical_units(tmp_path: Path) -> None:
    write_objects(measure_objects(labels()), tmp_path / "o.csv", Calibration(50.0))
    first = read(tmp_path / "o.csv")[0]
    assert float(first["area_um2"]) == pytest.approx(300 * 0.05**2)
    assert float(first["perimeter_um"]) == pytest.approx(PERIMETERS[0] * 0.05)
    assert float(first["equivalent_diameter_nm"]) == pytest.approx(np.sqrt(1200 / np.pi) * 50, rel=1e-5)
    assert float(first["x_um"]) == pytest.approx(114.5 * 0.05)
    assert float(first["feret_max_um"]) == pytest.approx(np.hypot(10, 30) * 0.05)
    assert float(first["feret_min_um"]) == pytest.approx(10 * 0.05)
    assert float(first["nearest_distance_um"]) == pytest.approx(np.hypot(113, 40) * 0.05)
    assert float(first["y_um"]) == pytest.approx(14.5 * 0.05)


def test_csv_of_nothing_has_its_headings(tmp_path: Path) -> None:
    write_objects(measure_objects(np.zeros(SHAPE, dtype=np.uint16)), tmp_path / "o.csv")
    assert (tmp_path / "o.csv").read_text().startswith("id,phase,area_px,")
    assert read(tmp_path / "o.csv") == []
