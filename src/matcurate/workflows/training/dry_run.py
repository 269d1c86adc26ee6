"""Whether it is time to train, as a retraining would report it: without torch, which takes seconds to import."""

from __future__ import annotations

from matcurate.workflows.home import Workspace
from matcurate.workflows.training.due import check_due

NOT_TRAINED = ("snapshot", "run_id", "model_version", "metrics", "champion_metrics", "matsam_metrics")
"""Fields of :class:`~matcurate.workflows.training.retrain.RetrainReport` that are None where nothing was trained."""


def report_dry_run(workspace: Workspace) -> dict[str, object]:
    """The report of a retraining that only says whether it is due, as JSON holds it; nothing is trained or stored."""
    due = check_due(workspace)
    trained = dict.fromkeys(NOT_TRAINED)
    return {
        "due": due.due,
        "reason": due.reason,
        **trained,
        "promoted": False,
        "why": "dry run: nothing was trained",
    }
