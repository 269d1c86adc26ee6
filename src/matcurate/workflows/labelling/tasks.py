"""Which micrograph a Label Studio task shows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from matcurate.catalog.micrographs import by_hash, by_id
from matcurate.catalog.records import MicrographRecord, ProjectRecord, TaskLink
from matcurate.catalog.tasks import link_task, task_link
from matcurate.errors import AnnotationError, LabelStudioUnreachableError
from matcurate.labelstudio.client import LabelStudioClient
from matcurate.labelstudio.images import fetch_image
from matcurate.labelstudio.ratios import Draft as Draft  # entry points name the type
from matcurate.workflows.home import Workspace, connected_project_id
from matcurate.workflows.ingest import Provenance, ingest_bytes

MICROGRAPH_KEY = "micrograph"
"""Key of a task's data that holds the content hash of the micrograph it shows."""


@dataclass(frozen=True, slots=True)
class TaskQuestion:
    """A task as Label Studio describes it: its id, its data, and the experts' drafts."""

    id: int
    data: Mapping[str, object]
    drafts: tuple[Draft, ...] = ()


def task_micrograph(
    workspace: Workspace, client: LabelStudioClient | None, project: ProjectRecord, task: TaskQuestion, image_key: str
) -> MicrographRecord:
    """Find the micrograph that a task shows.

    A task that we pushed carries the micrograph's content hash. One that somebody made in Label Studio does not: its
    image, at the address under ``image_key``, is fetched with our own token and ingested, so that its corrections have
    a home too. Without a client images from elsewhere and in the task itself are still ingested.

    Raises ConfigError when Label Studio has the image and none is connected; AnnotationError when the task names no
    image, or one on another host that does not answer; LabelStudioError when the image cannot be fetched;
    UnreadableImageError when it is none.
    """
    return _known(workspace, project, task) or _adopt(workspace, client, task, image_key)


def link_micrograph(
    workspace: Workspace, project: ProjectRecord, task: TaskQuestion, micrograph: MicrographRecord
) -> TaskLink:
    """Note that a task of the connected project shows a micrograph.

    Raises CatalogError when the task is linked with another micrograph, or the micrograph is of another project.
    """
    ls_project_id = connected_project_id(workspace.settings)
    with workspace.writing() as session:
        return link_task(session, project.id, micrograph.id, ls_project_id, task.id)


def _known(workspace: Workspace, project: ProjectRecord, task: TaskQuestion) -> MicrographRecord | None:
    content_hash = task.data.get(MICROGRAPH_KEY)
    ls_project_id = workspace.settings.label_studio.project_id
    with workspace.reading() as session:
        if isinstance(content_hash, str):
            named = by_hash(session, content_hash)
            if named is not None:
                return named
        link = None if ls_project_id is None else task_link(session, project.id, ls_project_id, task.id)
        return None if link is None else by_id(session, link.micrograph_id)


def _adopt(
    workspace: Workspace, client: LabelStudioClient | None, task: TaskQuestion, image_key: str
) -> MicrographRecord:
    address = task.data.get(image_key)
    if not isinstance(address, str):
        raise AnnotationError(f"task {task.id} has no image under {image_key!r}; correct its data in Label Studio")
    name = "" if address.startswith("data:") else address.split("?d=")[-1].split("?")[0].rsplit("/", 1)[-1]
    source = f"Label Studio task {task.id}"
    data = _fetch(client, task, address)
    return next(iter(ingest_bytes(workspace, data, name or f"task_{task.id}", source, Provenance())))[0]


def _fetch(client: LabelStudioClient | None, task: TaskQuestion, address: str) -> bytes:
    try:
        return fetch_image(None, address) if client is None else client.fetch_image(address)
    except LabelStudioUnreachableError as error:
        if client is not None and address.startswith(("/", client.url)):
            raise
        # Label Studio itself answers: only this task cannot be taken in
        raise AnnotationError(f"task {task.id}: {error}; correct its data in Label Studio") from error
