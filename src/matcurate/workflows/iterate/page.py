"""Questions about regions as tasks in Label Studio: the region, crops of the most similar classes, and their names."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from xml.etree.ElementTree import Element, SubElement, tostring

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import JsonValue

from matcurate.catalog import get_micrograph
from matcurate.config import save_settings
from matcurate.errors import LabelStudioNotFoundError
from matcurate.imaging.proxy import encode_png, to_uint8
from matcurate.labelstudio import AnnotationRecord, LabelStudioClient
from matcurate.types import Progress, silent
from matcurate.workflows.classes.crops import cut
from matcurate.workflows.classes.queue import Crop, SimilarClass
from matcurate.workflows.home import Workspace, load_original
from matcurate.workflows.iterate.questions import RegionQuestion

REGION_KEY = "region"
"""Key of a task's data with the region's micrograph and box; a task is made once for each."""
CHOICE_NAME, TEXT_NAME = "class", "name"
HEIGHT, EXAMPLE = 480, 150
"""Rows of the picture of a region, and edge of an example crop, in pixels."""
FRAME, WHITE = (245, 197, 24), (255, 255, 255)
"""Colour of the region's frame, red, green, blue."""


def put_questions(
    workspace: Workspace, client: LabelStudioClient, questions: Sequence[RegionQuestion], progress: Progress = silent
) -> tuple[int, int]:
    """Make a task for every question that has none; returns the Label Studio project, and how many were made."""
    project_id = _regions_project(workspace, client)
    there = {str(task.data.get(REGION_KEY)) for task in client.tasks.of_project(project_id)}
    new = [question for question in questions if question.key not in there]
    for done, question in enumerate(new):
        progress(done, len(new), question.name)
        similar: list[JsonValue] = [{"value": each.name} for each in question.similar]
        row: dict[str, JsonValue] = {
            REGION_KEY: question.key,
            "about": f"{question.name}: {question.share:.0%} of the micrograph, vacuity {question.vacuity:.2f}",
            "similar": similar,
            "image": f"data:image/png;base64,{b64encode(encode_png(_picture(workspace, question))).decode()}",
        }
        client.tasks.import_rows(project_id, [row], key=REGION_KEY)
    progress(len(new), len(new))
    return project_id, len(new)


def collect_answers(workspace: Workspace, client: LabelStudioClient) -> list[str]:
    """Newest name that experts have given each region in Label Studio, as ``ID:TOP,LEFT,HEIGHT,WIDTH=NAME``."""
    project_id = workspace.settings.label_studio.regions_project_id
    if project_id is None:
        return []
    answers = []
    for task in client.tasks.of_project(project_id):
        given = [_answer(each) for each in client.annotations.of_task(task.id) if not each.was_cancelled]
        name = next((each for each in reversed(given) if each), None)
        if name is not None:
            answers.append(f"{task.data.get(REGION_KEY)}={name}")
    return answers


def regions_config() -> str:
    """The labelling configuration: the picture, the similar classes to choose from, and a field for another name."""
    view = Element("View")
    SubElement(view, "Header", value="$about")
    SubElement(view, "Image", name="image", value="$image", zoom="true", zoomControl="true")
    SubElement(view, "Header", value="What is inside the frame? The rows show the most similar classes.", size="5")
    SubElement(view, "Choices", name=CHOICE_NAME, toName="image", choice="single", value="$similar")
    SubElement(view, "TextArea", name=TEXT_NAME, toName="image", maxSubmissions="1", placeholder="Or another name")
    return tostring(view, encoding="unicode")


def _regions_project(workspace: Workspace, client: LabelStudioClient) -> int:
    """The Label Studio project of the questions, made when it is not there."""
    stored = workspace.settings.label_studio.regions_project_id
    if stored is not None:
        try:
            return client.projects.get(stored).id
        except LabelStudioNotFoundError:
            pass  # somebody has deleted it
    made = client.projects.create(f"{workspace.project().name[:42]} regions", regions_config()).id
    save_settings(workspace.settings.home, {"label_studio": {"regions_project_id": made}})
    return made


def _answer(annotation: AnnotationRecord) -> str:
    """Another name counts before a choice; empty where there is neither."""
    texts = {TEXT_NAME: "", CHOICE_NAME: ""}
    for item in annotation.result:
        value = item.get("value")
        given = (value.get("text") or value.get("choices")) if isinstance(value, dict) else None
        if isinstance(given, list) and given and item.get("from_name") in texts:
            texts[str(item["from_name"])] = str(given[0]).strip()
    return texts[TEXT_NAME] or texts[CHOICE_NAME]


def _picture(workspace: Workspace, question: RegionQuestion) -> NDArray[np.uint8]:
    """The micrograph (H, W, 3) with the region framed, and beside it a row of crops for each similar class."""
    with workspace.reading() as session:
        record = get_micrograph(session, question.micrograph)
    grey = to_uint8(load_original(workspace, record).pixels)
    scale = HEIGHT / grey.shape[0]
    shown = cv2.cvtColor(cv2.resize(grey, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), cv2.COLOR_GRAY2RGB)
    box = question.box
    left, top, right, bottom = (
        round(side * scale) for side in (box.left, box.top, box.left + box.width, box.top + box.height)
    )
    cv2.rectangle(shown, (left, top), (right - 1, bottom - 1), FRAME, 3)
    rows = [_row(workspace, each) for each in question.similar if each.examples]
    if not rows:
        return np.asarray(shown, dtype=np.uint8)
    widest = max(row.shape[1] for row in rows)
    column = np.vstack([_on_white(row, row.shape[0], widest) for row in rows])
    tall = max(column.shape[0], shown.shape[0])
    return np.hstack([_on_white(part, tall, part.shape[1]) for part in (np.asarray(shown, np.uint8), column)])


def _row(workspace: Workspace, similar: SimilarClass) -> NDArray[np.uint8]:
    """Example crops of a class, its name above them."""
    crops = np.hstack([_example(workspace, crop) for crop in similar.examples[:3]])
    row = cv2.copyMakeBorder(crops, 22, 4, 10, 0, cv2.BORDER_CONSTANT, value=WHITE)
    cv2.putText(row, similar.name[:30], (12, 16), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (0, 0, 0), 1, cv2.LINE_AA)
    return np.asarray(row, dtype=np.uint8)


def _on_white(part: NDArray[np.integer], height: int, width: int) -> NDArray[np.uint8]:
    """A picture (h, w, 3) in the upper left corner of a white one (height, width, 3)."""
    whole = np.full((height, width, 3), 255, dtype=np.uint8)
    whole[: part.shape[0], : part.shape[1]] = part
    return whole


def _example(workspace: Workspace, crop: Crop) -> NDArray[np.uint8]:
    """A crop as a square (EXAMPLE, EXAMPLE, 3)."""
    with workspace.reading() as session:
        record = get_micrograph(session, crop.micrograph_id)
    grey = cut(to_uint8(load_original(workspace, record).pixels), crop.box)
    square = cv2.resize(grey, (EXAMPLE, EXAMPLE), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.cvtColor(square, cv2.COLOR_GRAY2RGB), dtype=np.uint8)
