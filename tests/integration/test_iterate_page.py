"""An expert names regions in the real Label Studio: the task shows the region and the classes most like it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import Page

from matcurate.config import load_settings
from matcurate.workflows.home import label_studio_client, open_workspace
from matcurate.workflows.iterate import collect_answers, iterate, put_questions
from tests.integration.conftest import RunningServices, project_of_its_own
from tests.integration.test_page import NEEDS_CHROMIUM
from tests.integration.test_page import page as page
from tests.unit.workflows.iterate.test_iterate import draw

pytestmark = [pytest.mark.integration, NEEDS_CHROMIUM]


def test_a_region_is_named_on_the_page(running: RunningServices, page: Page, tmp_path: Path) -> None:
    with project_of_its_own(running, "regions") as made:
        classes = made.settings.classes.model_copy(update={"crop": 64})
        workspace = replace(made, settings=made.settings.model_copy(update={"classes": classes}))
        begun = iterate(workspace, draw(tmp_path / "images", "cells", "weave", "leaves"))
        known = [each for each in begun.questions if each.name.startswith(("cells", "weave"))]
        report = iterate(workspace, names=[f"{each.key}={each.name.rstrip('01')}" for each in known])
        assert {each.name.rstrip("01") for each in report.questions} == {"leaves"}
        with label_studio_client(workspace.settings) as client:
            project_id, made_tasks = put_questions(workspace, client, report.questions)
            assert made_tasks == len(report.questions)
            asking = open_workspace(load_settings(workspace.settings.home))
            (first, *_) = sorted(client.tasks.of_project(project_id), key=lambda task: task.id)
            page.goto(f"{client.url}/projects/{project_id}/data?task={first.id}")
            page.wait_for_selector("button:has-text('Submit')", timeout=60_000)
            page.wait_for_timeout(3000)
            page.screenshot(path=tmp_path / "question.png")
            for choice in ("cells", "weave"):  # those that the classifier finds most similar
                assert page.locator("label", has_text=choice).count() == 1
            page.get_by_test_id("textarea-input").fill("leaves")
            page.get_by_test_id("textarea-input").press("Enter")
            page.wait_for_timeout(500)
            page.screenshot(path=tmp_path / "named.png")
            page.locator("button:has-text('Submit')").click()
            page.wait_for_timeout(3000)
            assert collect_answers(asking, client) == [f"{first.data['region']}=leaves"]
