"""What ``curate rank`` chooses is what Label Studio serves: in order, to two people at once, none twice."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import cv2
import httpx
import numpy as np
import pytest

from matcurate.catalog import list_task_links, newest_ranking, pushed_predictions
from matcurate.cli.app import run
from matcurate.workflows.home import Workspace, connected_project_id, label_studio_client
from matcurate.workflows.ingest import Provenance, ingest_files
from matcurate.workflows.labelling import pull_corrections
from matcurate.workflows.presegment import register_version, zero_shot
from tests.integration.conftest import RunningServices, project_of_its_own

pytestmark = pytest.mark.integration

SIZE = (96, 160)
MICROGRAPHS, BATCH = 14, 10


@pytest.fixture(scope="module")
def workspace(running: RunningServices, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    """A project of its own in the running installation, with fourteen micrographs to choose from and a golden one."""
    folder = tmp_path_factory.mktemp("micrographs")
    with project_of_its_own(running, "ranking") as workspace:
        ingest_files(workspace, [draw(folder / "golden.png", 99)], Provenance(golden=True))
        ingest_files(workspace, [draw(folder / f"r{index:02d}.png", index) for index in range(MICROGRAPHS)])
        yield workspace


def draw(path: Path, seed: int) -> Path:
    """Discs whose number and size differ from one micrograph to the next, so that embeddings do."""
    rng = np.random.default_rng(1000 + seed)
    image = rng.normal(90, 2 + seed, SIZE)
    for _ in range(1 + seed % 5):
        centre = (int(rng.integers(12, SIZE[1] - 12)), int(rng.integers(12, SIZE[0] - 12)))
        cv2.circle(image, centre, 4 + seed % 7, 180.0, -1)
    cv2.imwrite(str(path), image.clip(0, 255).astype(np.uint8))
    return path


def rank(workspace: Workspace, capsys: pytest.CaptureFixture[str], *arguments: str) -> dict:
    assert run(["--home", str(workspace.settings.home), "rank", *arguments, "--json"]) == 0
    document: dict = json.loads(capsys.readouterr().out)
    return document


class Annotator:
    """Somebody at Label Studio's page: what it shows next, and what they make of it."""

    def __init__(self, client: httpx.Client, project_id: int) -> None:
        self._client, self._project_id = client, project_id
        self.task: int | None = None

    def next(self) -> int:
        parameters = {"id": "next_task", "project": self._project_id}
        answer = self._client.post("/api/dm/actions", params=parameters, json={}, headers=self._headers())
        self.task = int(answer.raise_for_status().json()["id"])
        return self.task

    def submit(self) -> None:
        number = {"type": "number", "from_name": "ratio_1", "to_name": "image", "value": {"number": 0.25}}
        answer = self._client.post(
            f"/api/tasks/{self.task}/annotations/",
            json={"result": [number], "lead_time": 1.0},
            headers=self._headers(),
        )
        answer.raise_for_status()

    def _headers(self) -> dict[str, str]:
        return {"X-CSRFToken": self._client.cookies.get("csrftoken", "")}


@pytest.fixture(scope="module")
def two(running: RunningServices, workspace: Workspace) -> Iterator[tuple[Annotator, Annotator]]:
    """The lab's own account, and a second one that has followed its invitation."""
    url, project_id = running.services.label_studio_url, connected_project_id(workspace.settings)
    headers = {"Authorization": f"Token {running.token}"}
    with (
        httpx.Client(base_url=url, headers=headers, timeout=60) as own,
        httpx.Client(base_url=url, follow_redirects=True, timeout=60) as invited,
    ):
        invitation = str(own.get("/api/invite").raise_for_status().json()["invite_url"])
        invited.get(invitation)
        form = {"email": "second@example.com", "password": "a second one", "allow_newsletters": "false"}
        form["csrfmiddlewaretoken"] = invited.cookies["csrftoken"]
        invited.post(invitation, data=form, headers={"Referer": url}).raise_for_status()
        assert invited.get("/api/current-user/whoami").json()["email"] == "second@example.com"
        yield Annotator(own, project_id), Annotator(invited, project_id)


def test_the_ten_served_to_two_at_once_are_the_ten_chosen_in_order(
    workspace: Workspace, two: tuple[Annotator, Annotator], capsys: pytest.CaptureFixture[str]
) -> None:
    document = rank(workspace, capsys, "-k", str(BATCH))
    assert (document["strategy"], document["pool"], document["written"]) == ("kcenter", MICROGRAPHS, True)
    chosen = [each["task"] for each in document["chosen"]]
    assert len(set(chosen)) == BATCH and chosen != sorted(chosen)
    first, second = two
    served = [first.next(), second.next()]
    while len(served) < BATCH:  # both always hold a task: each asks while the other is at work
        for annotator in two:
            assert annotator.next() == annotator.task  # asked again, it is still theirs
            annotator.submit()
            served.append(annotator.next())
    assert served[:BATCH] == chosen
    assert len(set(served)) == len(served)
    others = {task for task in tasks_of(workspace).values()} - set(chosen)
    assert set(served[BATCH:]) <= others


def test_what_is_leased_is_given_to_nobody_else(
    workspace: Workspace, two: tuple[Annotator, Annotator], capsys: pytest.CaptureFixture[str]
) -> None:
    """Eight of ten have been annotated, and the catalog does not know it; the last two are still at work."""
    with workspace.reading() as session:
        earlier = newest_ranking(session, workspace.project().id)
    assert earlier is not None and earlier.written_at is not None
    document = rank(workspace, capsys, "-k", "3", "--strategy", "random", "--seed", "5")
    chosen = [each["id"] for each in document["chosen"]]
    assert len(chosen) == 3 and not set(chosen) & {each.micrograph_id for each in earlier.chosen}
    scores = scores_of(workspace)
    batch = [scores[each] for each in chosen]
    assert batch == sorted(batch) and batch[0] == 0.0
    leased = [scores[each.micrograph_id] for each in earlier.chosen if scores[each.micrograph_id] < 1]
    assert len(leased) == 2 and min(leased) > batch[-1]
    assert sum(score == 1 for score in scores.values()) == 9  # the annotated ones, and the golden one
    with label_studio_client(workspace.settings) as client:
        assert pull_corrections(workspace, client).outcomes["added"] <= 8  # the rest came by webhook
        project = client.projects.get(connected_project_id(workspace.settings))
    assert (project.sampling, project.model_version) == ("Uncertainty sampling", document["model_version"])


def test_ids_are_known_and_ranking_again_writes_only_what_has_changed(
    workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    version = register_version(workspace, workspace.project(), zero_shot(workspace))
    with workspace.reading() as session:
        held = pushed_predictions(session, connected_project_id(workspace.settings), version.id)
    assert len(held) == MICROGRAPHS + 1
    document = rank(workspace, capsys, "-k", "5")  # one was free: all other are annotated or leased
    assert len(document["chosen"]) == document["pool"] == 1 and document["written"]
    scores = sorted(score for score in scores_of(workspace).values() if score < 1)
    np.testing.assert_allclose(scores, np.arange(len(scores)) / len(scores))


def tasks_of(workspace: Workspace) -> dict[int, int]:
    with workspace.reading() as session:
        links = list_task_links(session, workspace.project().id, connected_project_id(workspace.settings))
    return {link.micrograph_id: link.ls_task_id for link in links}


def scores_of(workspace: Workspace) -> dict[int, float]:
    """Score by micrograph, as Label Studio holds it."""
    with label_studio_client(workspace.settings) as client:
        scores = {task.id: task.score for task in client.tasks.of_project(connected_project_id(workspace.settings))}
    return {micrograph: scores[task] or 0.0 for micrograph, task in tasks_of(workspace).items()}
