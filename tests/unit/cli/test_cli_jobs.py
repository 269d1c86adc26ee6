"""curate jobs and curate schedule, through the real command line."""

import json

import pytest

from matcurate.cli.app import run
from tests.unit.job_samples import run_job
from tests.unit.learning_samples import add_disc, correct, half
from tests.unit.loop_samples import make_workspace


@pytest.fixture
def workspace(tmp_path):
    return make_workspace(tmp_path / "home", connected=False)


@pytest.fixture
def curate(workspace, capsys):
    def call(*arguments, code=0):
        assert run(["--home", str(workspace.settings.home), *arguments]) == code
        said = capsys.readouterr()
        return said.err if code else json.loads(said.out)

    return call


def test_a_job_from_asking_to_its_result(workspace, curate, tmp_path):
    correct(workspace, add_disc(workspace, tmp_path / "in"), half())
    asked = curate("jobs", "add", "snapshot", "--json")
    assert (asked["kind"], asked["state"], asked["added"]) == ("snapshot", "queued", True)
    assert not curate("jobs", "add", "snapshot", "--json")["added"]
    run_job(workspace, asked["id"])
    shown = curate("jobs", "show", str(asked["id"]), "--json")
    assert (shown["state"], shown["result"]["train"], shown["error"]) == ("done", 1, None)
    assert curate("jobs", "--json") == curate("jobs", "list", "--json") == {"jobs": [shown]}


def test_a_job_is_cancelled(curate):
    asked = curate("jobs", "add", "snapshot", "--json")
    gone = curate("jobs", "cancel", str(asked["id"]), "--json")
    assert gone["state"] == "failed" and gone["error"].startswith("cancelled by ")
    assert curate("jobs", "--json") == {"jobs": [gone]}
    assert "job 1 has ended already (failed)" in curate("jobs", "cancel", "1", code=1)


def test_unknown_jobs_are_one_line(curate):
    assert "no job 'train'; there are: sync" in curate("jobs", "add", "train", code=1)
    assert "there is no job 7; 'curate jobs' shows" in curate("jobs", "show", "7", code=1)


def test_the_schedule_is_set_shown_and_removed(curate):
    nothing = {"cron": None, "jobs": ["sync", "presegment", "retrain"], "last": None}
    assert curate("schedule", "--json") == nothing
    assert curate("schedule", "0 2 * * *", "--json") == {**nothing, "cron": "0 2 * * *"}
    assert curate("schedule", "--json")["cron"] == "0 2 * * *"
    assert "five: minute hour day" in curate("schedule", "0 2", code=1)
    assert "not both" in curate("schedule", "0 2 * * *", "--remove", code=2)
    assert curate("schedule", "--remove", "--json") == nothing


def test_tables_for_people(workspace, capsys):
    home = str(workspace.settings.home)
    assert run(["--home", home, "jobs", "add", "sync"]) == 0
    assert run(["--home", home, "jobs"]) == 0
    assert run(["--home", home, "jobs", "show", "1"]) == 0
    assert run(["--home", home, "schedule"]) == 0
    said = capsys.readouterr().out
    assert "queued" in said and "no schedule" in said and "not_before" in said
