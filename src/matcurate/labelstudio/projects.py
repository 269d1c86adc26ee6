"""Projects: create, look up, change, delete."""

from __future__ import annotations

from typing import Any, cast

from matcurate.errors import LabelStudioError
from matcurate.labelstudio.connection import Resource
from matcurate.labelstudio.records import ProjectRecord, Sampling

TITLE_CHARACTERS = (3, 50)


class Projects(Resource):
    """The projects of one Label Studio."""

    def create(self, title: str, label_config: str, *, sampling: Sampling = "Sequential sampling") -> ProjectRecord:
        """Create a project with a labelling configuration."""
        shortest, longest = TITLE_CHARACTERS
        if not shortest <= len(title) <= longest:
            raise LabelStudioError(f"project title {title!r} needs {shortest} to {longest} characters; choose another")
        created = self._connection.sdk.projects.create(title=title, label_config=label_config, sampling=sampling)
        return self.get(cast(int, created.id))

    def get(self, project_id: int) -> ProjectRecord:
        """Look a project up; raises LabelStudioNotFoundError when it is gone."""
        return self._connection.get(f"/api/projects/{project_id}/", ProjectRecord)

    def update(
        self,
        project_id: int,
        *,
        model_version: str | None = None,
        sampling: Sampling | None = None,
        label_config: str | None = None,
    ) -> ProjectRecord:
        """Change what is given.

        ``model_version`` decides whose predictions order and show tasks: Label Studio honours uncertainty
        sampling only when it equals the predictions' version, and refuses one without predictions.
        """
        given: dict[str, Any] = {"model_version": model_version, "sampling": sampling, "label_config": label_config}
        changes = {name: value for name, value in given.items() if value is not None}
        self._connection.sdk.projects.update(project_id, **changes)
        return self.get(project_id)

    def delete(self, project_id: int) -> None:
        """Delete a project with its tasks and annotations."""
        self._connection.sdk.projects.delete(project_id)
