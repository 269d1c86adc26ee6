"""Which micrographs the experts see next: chosen, leased, stored, and served by Label Studio in that order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
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
from matcurate.workflows.home import Workspace, connected_project_id, label_studio_client
from matcurate.workflows.labelling import push_project
from matcurate.workflows.presegment import PreSegmenter, choose_presegmenter, presegment_micrographs, register_version
from matcurate.workflows.ranking.candidates import Candidates, gather
from matcurate.workflows.ranking.look import RankedTask, attach_vacuity_maps
from matcurate.workflows.ranking.scorer import open_scorer
from matcurate.workflows.ranking.served_order import confidences, write_order

TRIES = 5
"""Attempts to lease a batch when others lease at the same time."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """A micrograph of the batch: its place from 1, its task in Label Studio, and its scores."""

    place: int
    id: int
    name: str
    task: int | None
    scores: Mapping[str, float]
    leased_until: datetime


@dataclass(frozen=True, slots=True)
class RankReport:
    """The batch chosen from ``pool`` free micrographs.

    ``failed``: one line for each that could not be read. ``written``: Label Studio serves the order now. ``overlays``:
    tasks of the batch that show a vacuity map.
    """

    strategy: str
    model_version: str
    pool: int
    chosen: tuple[Chosen, ...]
    failed: tuple[str, ...]
    written: bool
    overlays: int


def as_document(report: RankReport) -> dict[str, object]:
    """The report as JSON holds it, for the result of a job."""
    chosen = [{**asdict(choice), "leased_until": choice.leased_until.isoformat()} for choice in report.chosen]
    return {**asdict(report), "chosen": chosen, "failed": list(report.failed)}


def rank_settings(settings: RankSettings, **options: object) -> RankSettings:
    """The installation's settings with the options that are not None; raises ConfigError when one is not allowed."""
    changes = {key: value for key, value in options.items() if value is not None}
    try:
        return RankSettings.model_validate(settings.model_dump() | changes)
    except ValidationError as error:
        raise ConfigError(first_problem(error)) from error


def rank_project(workspace: Workspace, request: RankSettings, who: str, progress: Progress = silent) -> RankReport:
    """Rank by the current pre-segmenter, in the connected Label Studio if any; errors as of :func:`rank`."""
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
    person with the same request; otherwise every call chooses again. What ``segmenter`` has not predicted yet is
    predicted first; without a ``client`` the ranking is only stored.

    Raises ConfigError when there is no such strategy, or it needs scores that the model does not give;
    LabelStudioError when Label Studio does not answer, or does not hold afterwards what it was sent.
    """
    version = register_version(workspace, workspace.project(), segmenter)
    scorer = open_scorer(workspace, segmenter)
    unpredicted = presegment_micrographs(workspace, segmenter, progress=progress, scorer=scorer).failed
    if client is not None:
        push_project(workspace, client, version.name, progress)
    session = RankingSession(workspace, version, client, request, who, now or utc_now())
    candidates = gather(workspace, scorer, version, session.annotated(), request.strategy, progress)
    ranking = session.unfinished(candidates) or session.choose(candidates)
    chosen, written, overlays = session.chosen(candidates, ranking), False, 0
    if client is not None:
        written = write_order(workspace, client, version, session.confidences(candidates, ranking), progress) > 0
        tasks = [RankedTask(*candidates.of(choice.id), choice.task) for choice in chosen if choice.task is not None]
        overlays = attach_vacuity_maps(workspace, client, version, tasks, progress)
    if written:
        with workspace.writing() as catalog:
            mark_written(catalog, ranking.id)
    failed = tuple(dict.fromkeys((*unpredicted, *candidates.failed)))
    return RankReport(ranking.strategy, version.name, ranking.pool, chosen, failed, written, overlays)


@dataclass(frozen=True, slots=True)
class RankingSession:
    """One call of :func:`rank`: who requests what, and when."""

    workspace: Workspace
    version: ModelVersionRecord
    client: LabelStudioClient | None
    request: RankSettings
    who: str
    now: datetime

    @property
    def ls_project_id(self) -> int | None:
        """Label Studio's project that is to serve the order; None without one."""
        return None if self.client is None else connected_project_id(self.workspace.settings)

    def annotated(self) -> set[int]:
        """Micrographs with an annotation, also those that Label Studio has and the catalog not yet."""
        with self.workspace.reading() as session:
            annotated = annotated_micrographs(session, self.version.project_id)
        if self.client is None:
            return annotated
        tasks = self.client.tasks.of_project(connected_project_id(self.workspace.settings))
        worked_on = {task.id for task in tasks if task.annotations + task.skipped}
        return annotated | {micrograph for micrograph, task in self._tasks().items() if task in worked_on}

    def unfinished(self, candidates: Candidates) -> RankingRecord | None:
        """The newest ranking, when it has this request, is still leased, and was not written to the end."""
        with self.workspace.reading() as session:
            newest = newest_ranking(session, self.version.project_id)
        if newest is None or newest.ls_project_id is None or newest.written_at is not None:
            return None
        new = self._new(candidates, newest.pool, ())
        same = all(
            getattr(newest, field) == getattr(new, field)
            for field in ("model_version_id", "strategy", "count", "quota", "seed", "who", "ls_project_id")
        )
        leased = self._leased()
        return newest if same and any(lease.micrograph_id in leased for lease in newest.chosen) else None

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
        raise CatalogError("others rank this project at the same time; try again in a minute")

    def confidences(self, candidates: Candidates, ranking: RankingRecord) -> dict[int, float]:
        """Confidence by which Label Studio orders each candidate: the batch, other leases, the rest."""
        first = dict.fromkeys([*(lease.micrograph_id for lease in ranking.chosen), *self._leased()])
        leading = [micrograph_id for micrograph_id in first if micrograph_id in candidates.micrographs]
        rest = [micrograph_id for micrograph_id in candidates.micrographs if micrograph_id not in first]
        return confidences([*leading, *candidates.by_score(rest, ranking.strategy, seed=ranking.seed)])

    def chosen(self, candidates: Candidates, ranking: RankingRecord) -> tuple[Chosen, ...]:
        """The batch for the report, without what has been annotated since."""
        tasks = self._tasks()

        def choice(lease: LeaseRecord) -> Chosen:
            micrograph = candidates.micrographs[lease.micrograph_id]
            scores, task = candidates.scores[micrograph.id].scores, tasks.get(micrograph.id)
            return Chosen(lease.place + 1, micrograph.id, micrograph.name, task, scores, lease.leased_until)

        return tuple(choice(lease) for lease in ranking.chosen if lease.micrograph_id in candidates.micrographs)

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
            return {lease.micrograph_id: lease for lease in leases(session, self.version.project_id, self.now)}

    def _tasks(self) -> dict[int, int]:
        """Label Studio's task by micrograph."""
        if self.client is None:
            return {}
        with self.workspace.reading() as session:
            links = links_for_project(session, self.version.project_id, self.ls_project_id)
        return {link.micrograph_id: link.ls_task_id for link in links}
