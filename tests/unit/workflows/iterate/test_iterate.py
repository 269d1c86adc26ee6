"""From micrographs without labels to named classes and a segmenter, by hand and in Label Studio."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from matcurate.catalog import Box
from matcurate.errors import CatalogError, ConfigError
from matcurate.imaging.synth.textures import texture
from matcurate.tracking.registry import CHALLENGER, CHAMPION
from matcurate.workflows.home import Workspace
from matcurate.workflows.iterate import class_registry, collect_answers, iterate, parse_name, put_questions
from matcurate.workflows.iterate import segmenter as segmenter_module
from tests.unit.loop_samples import FakeLabelStudio, make_workspace

SHAPE = (128, 192)
SEEDS = {"cells": 0, "weave": 3, "leaves": 5}


def draw(folder: Path, *names: str) -> list[Path]:
    """Two micrographs of each texture."""
    folder.mkdir(exist_ok=True)
    paths = []
    for name in names:
        sheet = texture((SHAPE[0], 2 * SHAPE[1]), np.random.default_rng(SEEDS[name]))
        for number in range(2):
            paths.append(folder / f"{name}{number}.png")
            cv2.imwrite(str(paths[-1]), sheet[:, number * SHAPE[1] : (number + 1) * SHAPE[1]])
    return paths


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    monkeypatch.setattr(segmenter_module, "MEASURED", 6)
    made = make_workspace(tmp_path / "home")
    classes = made.settings.classes.model_copy(update={"crop": 64})
    return replace(made, settings=made.settings.model_copy(update={"classes": classes}))


def name_all(workspace: Workspace, report, **options):
    """Name the least known region by its file, until none is left."""
    while report.questions:
        question = report.questions[0]
        name = question.name.rstrip("01")
        report = iterate(workspace, names=[f"{question.key}={name}"], steps=1, **options)
    return report


def test_the_story(workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun = iterate(workspace, draw(tmp_path / "first", "cells", "weave"))
    assert begun.waiting and begun.segmenter is None and begun.classes == ()
    assert sorted(each.name for each in begun.questions) == ["cells0", "cells1", "weave0", "weave1"]
    assert all(each.vacuity == 1 and each.box == Box(0, 0, *SHAPE) for each in begun.questions)
    with pytest.raises(CatalogError, match="no micrograph 99"):
        iterate(workspace, names=["99=steel"])

    first = name_all(workspace, begun)
    assert not first.waiting and set(first.classes) == {"cells", "weave"}
    assert first.named + first.recognised == 4 and first.segmenter.trained and first.segmenter.promoted
    registry = class_registry(workspace)
    (version,) = registry.versions()
    assert {CHAMPION, CHALLENGER} <= set(version.aliases) and version.tags.family == "regions"

    again = iterate(workspace, steps=1)
    assert again.segmenter.version == first.segmenter.version and not again.segmenter.trained
    assert again.segmenter.accuracy == pytest.approx(first.segmenter.accuracy)

    second = iterate(workspace, draw(tmp_path / "second", "leaves"), steps=1)
    assert {each.name.rstrip("01") for each in second.questions} <= {"leaves"} and second.questions
    grown = name_all(workspace, second)
    assert grown.classes == (*first.classes, "leaves")
    assert grown.segmenter.old_before is not None and grown.segmenter.old_after is not None
    newest = registry.versions()[0]
    assert newest.tags.start == f"from {version.name}" and CHALLENGER in newest.aliases


def test_a_killed_training_goes_on_and_registers_once(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = iterate(workspace, draw(tmp_path / "images", "cells", "weave"))
    names = [f"{each.key}={each.name.rstrip('01')}" for each in begun.questions]
    train = segmenter_module.train
    resumed = []

    def killed(model, source, options, **rest):
        resumed.append((rest["folder"] / "checkpoint.pt").exists() or any(rest["folder"].iterdir()))
        if len(resumed) == 1:
            train(model, source, options, **{**rest, "stop_after": 1})
            raise KeyboardInterrupt
        return train(model, source, options, **rest)

    monkeypatch.setattr(segmenter_module, "train", killed)
    with pytest.raises(KeyboardInterrupt):
        iterate(workspace, names=names, steps=2)
    report = iterate(workspace, names=names, steps=2)
    assert resumed == [False, True] and report.named == 4
    assert len(class_registry(workspace).versions()) == 1
    assert not any((workspace.settings.home / "training").rglob("*.pt"))


def test_until_trains_though_something_is_unknown(workspace: Workspace, tmp_path: Path) -> None:
    begun = iterate(workspace, draw(tmp_path / "images", "cells", "weave", "leaves"))
    chosen = [each for each in begun.questions if each.name.startswith(("cells", "weave"))][:3]
    names = [f"{each.key}={each.name.rstrip('01')}" for each in chosen]
    report = iterate(workspace, names=names, until=3, steps=1)
    assert not report.waiting and report.questions and report.segmenter is not None
    assert report.why == "3 regions are named"


def test_one_class_is_not_enough(workspace: Workspace, tmp_path: Path) -> None:
    begun = iterate(workspace, draw(tmp_path / "images", "cells"))
    report = iterate(workspace, names=[f"{each.micrograph}=cells" for each in begun.questions])
    assert report.segmenter is None and report.classes == ("cells",)
    assert "a segmenter tells two or more apart" in report.why


def test_what_names_a_region() -> None:
    assert parse_name("12=ferrite") == (12, None, "ferrite")
    assert parse_name("12:1,2,30,40 = gamma = prime") == (12, Box(1, 2, 30, 40), "gamma = prime")


@pytest.mark.parametrize("text", ["ferrite", "12=", "x=ferrite", "12:1,2,3=a", "12:1,2,0,4=a", "-1=a"])
def test_what_names_none(text: str) -> None:
    with pytest.raises(ConfigError, match=f"^{text[:3]}|{text!r}"):
        parse_name(text)


def test_questions_and_answers_in_label_studio(workspace: Workspace, tmp_path: Path, studio: FakeLabelStudio) -> None:
    begun = iterate(workspace, draw(tmp_path / "images", "cells", "weave"))
    assert collect_answers(workspace, studio) == []
    project, made = put_questions(workspace, studio, begun.questions)
    assert made == 4 and put_questions(workspace, studio, begun.questions) == (project, 0)
    settings = workspace.settings
    known = settings.label_studio.model_copy(update={"regions_project_id": project})
    asking = replace(workspace, settings=settings.model_copy(update={"label_studio": known}))
    tasks = {str(task.data["region"]): task.id for task in studio.tasks.of_project(project)}
    assert tasks.keys() == {each.key for each in begun.questions}
    chosen, typed, both, skipped = begun.questions

    def choice(name: str) -> dict[str, object]:
        return {"from_name": "class", "type": "choices", "value": {"choices": [name]}}

    def text(name: str) -> dict[str, object]:
        return {"from_name": "name", "type": "textarea", "value": {"text": [name]}}

    studio.annotate(tasks[chosen.key], [choice("cells")])
    studio.annotate(tasks[typed.key], [text(" weave ")])
    studio.annotate(tasks[both.key], [choice("cells")])
    studio.annotate(tasks[both.key], [choice("cells"), text("leaves")])
    studio.annotate(tasks[skipped.key], [], was_cancelled=True)
    answers = collect_answers(asking, studio)
    assert set(answers) == {f"{chosen.key}=cells", f"{typed.key}=weave", f"{both.key}=leaves"}
    report = iterate(asking, names=answers, until=3, steps=1)
    assert set(report.classes) == {"cells", "weave", "leaves"}
