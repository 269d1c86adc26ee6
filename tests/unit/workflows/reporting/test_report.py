"""The report of a project: what is counted, when it says stop, and the page."""

import re
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest

from matcurate.acquisition.stopping import Interval
from matcurate.catalog import MicrographCounts
from matcurate.errors import CatalogError
from matcurate.workflows.evaluation import Measurement, as_tags
from matcurate.workflows.labelling import VersionEffort
from matcurate.workflows.reporting import ProjectReport, project_report, write_page
from matcurate.workflows.reporting.report import VersionPoint
from matcurate.workflows.reporting.report_page import report_page
from matcurate.workflows.snapshots import golden_set, take_snapshot
from matcurate.workflows.versions import open_registry, promote
from tests.unit.lab_samples import add_version, make_lab
from tests.unit.learning_samples import add_disc, correct, half, predicted
from tests.unit.loop_samples import with_settings


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return f"sqlite:///{tmp_path_factory.mktemp('store') / 'mlflow.db'}"


def asking(workspace, **changes):
    """The same with other settings of the report."""
    report = workspace.settings.report.model_copy(update=changes)
    return with_settings(workspace, workspace.settings.model_copy(update={"report": report}))


def test_a_new_project_goes_on_and_knows_nothing(tmp_path):
    lab = make_lab(tmp_path, "new", f"sqlite:///{tmp_path / 'none.db'}")
    add_disc(lab, tmp_path / "in")
    found = project_report(lab)
    assert found.verdict == "go on" and found.fractions == {} and found.versions == () and found.expected_gain is None
    assert found.counts == MicrographCounts(micrographs=1, golden=0, corrected=0, predicted=0)
    assert not (tmp_path / "none.db").exists()
    page = report_page(found)
    assert "Go on labelling." in page and "None yet" in page and "<img" not in page


@pytest.fixture(scope="module")
def lab(store, tmp_path_factory):
    """Two versions that learned from two and eight micrographs, .6 and .8 on the golden set; two only predicted."""
    folder = tmp_path_factory.mktemp("lab")
    made = make_lab(folder, "steel", store, golden=1)
    golden = golden_set(made).digest
    for number, (count, dice) in enumerate([(2, 0.6), (8, 0.8)], start=1):
        while len(take_or_none(made)) < count:
            correct(made, add_disc(made, folder / "in", specimen=f"s{len(take_or_none(made))}"), half(80))
        snapshot = take_snapshot(made, validation_share=0.0).snapshot
        measured = Measurement(
            lab="steel", golden=golden, images=1, dice=dice, fraction_error=0.01, at=datetime.now(UTC)
        )
        tags = replace(as_tags([measured]), calibration={"ece": "0.031"})
        add_version(made, folder / "files", seed=number, tags=tags, snapshot=snapshot.digest)
    promote(made, open_registry(made), "2", why="better", who="ann")
    for columns in (40, 120):  # predictions of a quarter and of three quarters
        predicted(made, add_disc(made, folder / "in"), half(columns), phase_fractions={"precipitate": columns / 160})
    return made


def take_or_none(workspace):
    """What may be trained on, nothing where there is none."""
    try:
        return take_snapshot(workspace, validation_share=0.0).items
    except CatalogError:
        return ()


def test_fractions_are_the_experts_where_there_are_any_else_predicted(lab):
    found = project_report(lab)
    assert found.counts == MicrographCounts(micrographs=11, golden=1, corrected=9, predicted=2)
    matrix, phase = found.fractions["matrix"], found.fractions["precipitate"]
    # Eight halves, a quarter, three quarters, and the golden disc.
    assert matrix.images == phase.images == 11
    assert matrix.mean + phase.mean == pytest.approx(1)
    disc = phase.mean * 11 - (8 * 0.5 + 0.25 + 0.75)
    assert 0.005 < disc < 0.1
    assert phase.low < phase.mean < phase.high
    assert project_report(lab).fractions == found.fractions


def test_versions_and_the_gain_of_another_round(lab):
    found = project_report(lab)
    first, second = found.versions
    assert (first.learned, first.dice, first.champion) == (2, 0.6, False)
    assert (second.learned, second.dice, second.champion) == (8, 0.8, True)
    assert second.calibration == {"ece": 0.031}
    # a - b / √n through both: b = .2 / (1/√2 - 1/√8), then ten more than eight.
    slope = 0.2 / (2**-0.5 - 8**-0.5)
    assert found.round_size == 10 and found.expected_gain == pytest.approx(slope * (8**-0.5 - 18**-0.5))


def test_it_stops_when_both_are_known_well_enough(lab):
    assert project_report(asking(lab, half_width=0.001, least_gain=0.5)).verdict == "go on"
    assert project_report(asking(lab, half_width=0.5, least_gain=0.0)).verdict == "go on"
    assert project_report(asking(lab, half_width=0.5, least_gain=0.5)).verdict == "stop"


def test_the_page_holds_everything_and_escapes_names(lab, tmp_path):
    wild = "<script>alert('γ$x')</script>"
    found = ProjectReport(
        project=wild,
        lab="north",
        at=datetime(2026, 3, 1, 12, 30, tzinfo=UTC),
        counts=MicrographCounts(12, 2, 7, 5),
        fractions={"matrix": Interval(0.6, 0.55, 0.65, 12), wild: Interval(0.4, 0.35, 0.45, 12)},
        versions=(
            VersionPoint("v1", 4, 0.5, 0.02, False, {}),
            VersionPoint("v2", 9, 0.75, 0.01, True, {"ece": 0.04, "error_auroc": 0.91}),
            VersionPoint("v3", None, None, None, False, {}),
        ),
        silent=None,
        effort=(VersionEffort("v1", 3, 0.125, None),),
        next_images=("b.tif", "a.tif"),
        round_size=10,
        expected_gain=0.03,
        verdict="stop",
        why=("Enough & more.",),
    )
    path = tmp_path / "report.html"
    write_page(path, found)
    page = path.read_text()
    assert "<script>" not in page and "&lt;script&gt;" in page and "Enough &amp; more." in page
    assert "Stop: more labelling is hardly worth it." in page and "2026-03-01 12:30 UTC" in page
    assert len(re.findall(r'src="data:image/png;base64,iVBOR', page)) == 2
    assert not re.search(r'(src|href)="(?!data:)', page)  # nothing is fetched
    assert page.index("b.tif") < page.index("a.tif")
    for text in ("v2 (champion)", "0.7500", "0.910", "12.5 %", "not on this golden set"):
        assert text in page
    with pytest.raises(CatalogError, match="not a file in a folder that exists"):
        write_page(tmp_path / "no" / "report.html", found)


def test_a_server_that_is_silent_costs_the_versions_only(lab):
    silent = with_settings(lab, lab.settings.model_copy(update={"tracking_uri": "http://127.0.0.1:9"}))
    found = project_report(silent)
    assert found.versions == () and found.fractions and np.isfinite(found.fractions["matrix"].mean)
    assert found.silent == "http://127.0.0.1:9" and project_report(lab).silent is None
    assert "MLflow at http://127.0.0.1:9 does not answer" in report_page(found)
