"""Which micrographs the experts see next: chosen, leased, stored, and served by Label Studio in that order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from pydantic import ValidationError

from matcurate.catalog.columns import utc_now
from matcurate.catalog.ranking_records import LeaseRecord, NewRanking, RankingRecord
from matcurate.catalog.rankings import annotated_micrographs, leases, mark_written, newest_ranking, store_ranking
from matcurate.catalog.records import ModelVersionRecord
from matcurate.catalog.tasks import links_for_project
from matcurate.config import RankSettings, first_problem
from matcurate.errors import CatalogError, ConfigError
from matcurate.labelstudio.client import LabelStudioClient
from matcurate.types import Progress, silent
from matcurate.workflows.home.label_studio import connected_project_id, label_studio_client
from matcurate.workflows.home.workspace import Workspace
from matcurate.workflows.labelling.push import push
from matcurate.workflows.presegment.presegment import presegment, register_version
from matcurate.workflows.presegment.presegmenter import PreSegmenter, choose_presegmenter
from matcurate.workflows.ranking.candidates import Candidates, gather
from matcurate.workflows.ranking.look import Look, attach_looks
from matcurate.workflows.ranking.scorer import open_scorer
from matcurate.workflows.ranking.served_order import confidences, write_order

TRIES = 5
"""How often a choice is made again because somebody else was quicker."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """A micrograph of the batch: its place from 1, its task in Label Studio, and what the model says of it."""

    place: int
    id: int
    name: str
    task: int | None
    scores: Mapping[str, float]
    leased_until: datetime


@dataclass(frozen=True, slots=True)
class RankReport:
    """What was chosen of how many that were free, what could not be read, and whether Label Studio serves it now."""

    strategy: str
    model_version: str
    pool: int
    chosen: tuple[Chosen, ...]
    failed: tuple[str, ...]
    written: bool
    overlays: int
    """Tasks of the batch that show where to look."""


def as_document(report: RankReport) -> dict[str, object]:
    """The report as JSON knows it: for ``--json`` and for what a job says."""
    return {
        "strategy": report.strategy,
        "model_version": report.model_version,
        "pool": report.pool,
        "chosen": [
            {
                "place": each.place,
                "id": each.id,
                "name": each.name,
                "task": each.task,
                "scores": dict(each.scores),
                "leased_until": each.leased_until.isoformat(),
            }
            for each in report.chosen
        ],
        "failed": list(report.failed),
        "written": report.written,
        "overlays": report.overlays,
    }


def rank_settings(settings: RankSettings, **given: object) -> RankSettings:
    """The installation's settings with what was given (not None) in their place.

    Raises
    ------
    ConfigError
        When a value is not allowed.
    """
    changes = {key: value for key, value in given.items() if value is not None}
    try:
        return RankSettings.model_validate(settings.model_dump() | changes)
    except ValidationError as error:
        raise ConfigError(first_problem(error)) from error


def rank_project(workspace: Workspace, request: RankSettings, who: str, progress: Progress = silent) -> RankReport:
    """Rank by what pre-segments now, in the Label Studio that is connected, if any is; errors as of :func:`rank`."""
    segmenter = choose_presegmenter(workspace)
    if workspace.settings.label_studio.project_id is None:
        return rank(workspace, segmenter, None, request, who, progress=progress)
    with label_studio_client(workspace.settings) as client:
        return rank(workspace, segmenter, client, request, who, progress=progress)


def rank(
    workspace: Workspace,
    segmenter: PreSegmenter,
    client: LabelStudioClient | None,
    request: RankSettings,
    who: str,
    now: datetime | None = None,
    progress: Progress = silent,
) -> RankReport:
    """Choose what the experts see next, lease it, and let Label Studio serve it first.

    The pool is what has neither an annotation nor a place in the golden set, less what an earlier ranking has leased.
    Label Studio serves the batch in its order, then what is still leased, then the rest by the strategy's score.
    A ranking that was stored but not written (a crash, Label Studio gone) is written by the next call of the same
    person with the same request; else every call chooses anew.

    Parameters
    ----------
    workspace : Workspace
        The open installation.
    segmenter : PreSegmenter
        The version that scores; what it has not predicted yet is predicted first.
    client : LabelStudioClient, optional
        Without it nothing is written: the ranking is stored only.
    request : RankSettings
        Strategy, size of the batch and so on.
    who : str
        Who asks.
    now : datetime, optional
        When leases begin and end; this moment by default.
    progress : Progress
        Called for every micrograph and task.

    Raises
    ------
    ConfigError
        When there is no such strategy, or it needs what the model does not say.
    LabelStudioError
        When Label Studio does not answer, or does not hold afterwards what it was sent.
    """
    version = register_version(workspace, workspace.project(), segmenter)
    scorer = open_scorer(workspace, segmenter)
    unpredicted = presegment(workspace, segmenter, progress=progress, scorer=scorer).failed
    if client is not None:
        push(workspace, client, version.name, progress)
    desk = _Desk(workspace, version, client, request, who, now or utc_now())
    candidates = gather(workspace, scorer, version, desk.annotated(), request.strategy, progress)
    ranking = desk.unfinished(candidates) or desk.choose(candidates)
    chosen, written, overlays = desk.chosen(candidates, ranking), False, 0
    if client is not None:
        written = write_order(workspace, client, version, desk.confidences(candidates, ranking), progress) > 0
        looks = [Look(*candidates.of(each.id), each.task) for each in chosen if each.task is not None]
        overlays = attach_looks(workspace, client, version, looks, progress)
    if written:
        with workspace.writing() as session:
            mark_written(session, ranking.id)
    failed = tuple(dict.fromkeys((*unpredicted, *candidates.failed)))
    return RankReport(ranking.strategy, version.name, ranking.pool, chosen, failed, written, overlays)


@dataclass(frozen=True, slots=True)
class _Desk:
    """One call: who asks for what, and when."""

    workspace: Workspace
    version: ModelVersionRecord
    client: LabelStudioClient | None
    request: RankSettings
    who: str
    now: datetime

    @property
    def ls_project_id(self) -> int | None:
        """Label Studio's project that is to follow."""
        return None if self.client is None else connected_project_id(self.workspace.settings)

    def annotated(self) -> set[int]:
        """Micrographs with an annotation, also those that Label Studio has and the catalog not yet."""
        with self.workspace.reading() as session:
            known = annotated_micrographs(session, self.version.project_id)
        if self.client is None:
            return known
        tasks = self.client.tasks.of_project(connected_project_id(self.workspace.settings))
        worked_on = {task.id for task in tasks if task.annotations + task.skipped}
        return known | {micrograph for micrograph, task in self._tasks().items() if task in worked_on}

    def unfinished(self, candidates: Candidates) -> RankingRecord | None:
        """The newest ranking, when it is what is asked for now, is leased, and was not written to the end."""
        with self.workspace.reading() as session:
            newest = newest_ranking(session, self.version.project_id)
        if newest is None or newest.ls_project_id is None or newest.written_at is not None:
            return None
        wanted = self._new(candidates, newest.pool, ())
        same = all(
            getattr(newest, field) == getattr(wanted, field)
            for field in ("model_version_id", "strategy", "count", "quota", "seed", "who", "ls_project_id")
        )
        leased = self._leased()
        return newest if same and any(each.micrograph_id in leased for each in newest.chosen) else None

    def choose(self, candidates: Candidates) -> RankingRecord:
        """Choose a batch of what is free, and lease it."""
        for _ in range(TRIES):
            leased = self._leased()
            free = [micrograph_id for micrograph_id in candidates.micrographs if micrograph_id not in leased]
            strategy = self.request.strategy or candidates.default_strategy
            seed, quota = self.request.seed, self.request.quota
            batch = candidates.batch(free, strategy, self.request.count, seed=seed, quota=quota)
            with self.workspace.writing() as session:
                stored = store_ranking(session, self._new(candidates, len(free), batch), self.now)
            if stored is not None:
                return stored
        raise CatalogError("others rank this project all the time; try again in a minute")

    def confidences(self, candidates: Candidates, ranking: RankingRecord) -> dict[int, float]:
        """What Label Studio orders the candidates by: the batch, what is leased otherwise, the rest."""
        first = dict.fromkeys([*(each.micrograph_id for each in ranking.chosen), *self._leased()])
        known = [micrograph_id for micrograph_id in first if micrograph_id in candidates.micrographs]
        rest = [micrograph_id for micrograph_id in candidates.micrographs if micrograph_id not in first]
        return confidences([*known, *candidates.by_score(rest, ranking.strategy, seed=ranking.seed)])

    def chosen(self, candidates: Candidates, ranking: RankingRecord) -> tuple[Chosen, ...]:
        """The batch as people are told of it, without what has been annotated since."""
        tasks = self._tasks()

        def told(lease: LeaseRecord) -> Chosen:
            micrograph = candidates.micrographs[lease.micrograph_id]
            scores, task = candidates.scores[micrograph.id].scores, tasks.get(micrograph.id)
            return Chosen(lease.place + 1, micrograph.id, micrograph.name, task, scores, lease.leased_until)

        return tuple(told(lease) for lease in ranking.chosen if lease.micrograph_id in candidates.micrographs)

    def _new(self, candidates: Candidates, pool: int, batch: tuple[int, ...]) -> NewRanking:
        return NewRanking(
            project_id=self.version.project_id,
            model_version_id=self.version.id,
            strategy=self.request.strategy or candidates.default_strategy,
            count=self.request.count,
            quota=self.request.quota,
            seed=self.request.seed,
            pool=pool,
            who=self.who,
            ls_project_id=self.ls_project_id,
            chosen=batch,
            leased_until=self.now + timedelta(hours=self.request.lease_hours),
        )

    def _leased(self) -> dict[int, LeaseRecord]:
        with self.workspace.reading() as session:
            return {each.micrograph_id: each for each in leases(session, self.version.project_id, self.now)}

    def _tasks(self) -> dict[int, int]:
        """Label Studio's task of each micrograph."""
        if self.client is None:
            return {}
        with self.workspace.reading() as session:
            links = links_for_project(session, self.version.project_id, self.ls_project_id)
        return {link.micrograph_id: link.ls_task_id for link in links}
