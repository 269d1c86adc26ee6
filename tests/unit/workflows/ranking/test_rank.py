"""Ranking: what is chosen, leased, resumed, and served in which order; Label Studio is played."""

from datetime import timedelta

import numpy as np
import pytest

from matcurate.catalog import get_micrograph, leases, newest_ranking
from matcurate.config import RankSettings
from matcurate.errors import ConfigError, LabelStudioError, LabelStudioUnreachableError
from matcurate.workflows.presegment import register_version, zero_shot
from matcurate.workflows.ranking import open_scorer, rank_settings
from matcurate.workflows.ranking import rank as module
from matcurate.workflows.ranking import scorer as scorer_room
from matcurate.workflows.ranking.candidates import Candidates
from matcurate.workflows.ranking.rank import rank
from matcurate.workflows.ranking.score_store import ScoredImage, store_scored
from tests.unit.learning_samples import add_disc, correct, half
from tests.unit.loop_samples import START, make_workspace

HOUR = timedelta(hours=1)


@pytest.fixture
def workspace(tmp_path):
    return make_workspace(tmp_path / "home")


@pytest.fixture
def segmenter(workspace):
    return zero_shot(workspace, "builtin")


def place(workspace, segmenter, micrograph, at, **scores):
    """Store where a micrograph lies on a line, and what the model says of it."""
    version = register_version(workspace, workspace.project(), segmenter)
    scored = ScoredImage(np.array([at, 0.0], np.float32), np.array([0.5, 0.5]), scores)
    store_scored(workspace, open_scorer(workspace, segmenter).digest, version, micrograph, scored)


def on_line(workspace, segmenter, folder, *positions, **scores):
    """Micrographs at positions; each further argument is a list of scores of that name."""
    micrographs = [add_disc(workspace, folder) for _ in positions]
    for index, micrograph in enumerate(micrographs):
        place(
            workspace, segmenter, micrograph, positions[index], **{name: all_[index] for name, all_ in scores.items()}
        )
    return [micrograph.id for micrograph in micrographs]


def ask(workspace, segmenter, studio=None, now=START, who="ann", **request):
    return rank(workspace, segmenter, studio, RankSettings(**request), who, now)


def ids(report):
    return [each.id for each in report.chosen]


def served(workspace, studio):
    """Micrographs in the order in which annotators are given them."""
    with workspace.reading() as session:
        hashes = {
            get_micrograph(session, number).content_hash: number for number in range(1, len(studio.stored_tasks) + 1)
        }
    return [hashes[studio.stored_tasks[task].data["micrograph"]] for task in studio.served()]


def test_the_batch_is_served_first_then_what_is_leased_then_the_rest_by_score(workspace, segmenter, studio, tmp_path):
    a, b, c, d, e = on_line(workspace, segmenter, tmp_path / "in", *range(5), vacuity=[0.1, 0.5, 0.3, 0.9, 0.2])
    first = ask(workspace, segmenter, studio, strategy="evidential", count=2, lease_hours=2)
    assert (ids(first), first.pool, first.written, first.failed) == ([d, b], 5, True, ())
    assert served(workspace, studio) == [d, b, c, e, a]
    assert [each.scores["vacuity"] for each in first.chosen] == [0.9, 0.5]
    assert [each.place for each in first.chosen] == [1, 2] and {each.leased_until for each in first.chosen} == {
        START + 2 * HOUR
    }
    second = ask(workspace, segmenter, studio, strategy="evidential", count=2, now=START + HOUR)
    assert (ids(second), second.pool) == ([c, e], 3)
    assert served(workspace, studio) == [c, e, d, b, a]
    scores = [studio.score_of(task) for task in studio.served()]
    assert scores == [0, 0.2, 0.4, 0.6, 0.8]
    third = ask(workspace, segmenter, studio, strategy="evidential", count=9, now=START + 3 * HOUR)  # d and b are free
    assert (ids(third), third.pool) == ([d, b, a], 3)
    assert served(workspace, studio) == [d, b, a, c, e]
    assert studio.model_version == segmenter.version


def test_tasks_are_named_and_are_those_of_the_micrographs(workspace, segmenter, studio, tmp_path):
    on_line(workspace, segmenter, tmp_path / "in", 0, 5, 9)
    report = ask(workspace, segmenter, studio, count=2)
    for each in report.chosen:
        with workspace.reading() as session:
            micrograph = get_micrograph(session, each.id)
        assert studio.stored_tasks[each.task].data["micrograph"] == micrograph.content_hash
        assert each.name == micrograph.name


def test_without_evidence_the_batch_is_spread_out(workspace, segmenter, studio, tmp_path):
    """Of points at 0, 1, 10, 11 and 30, with 0.5 labelled, those farthest from all that is known come first."""
    seen = add_disc(workspace, tmp_path / "in")
    place(workspace, segmenter, seen, 0.5)
    _, _, c, d, e = on_line(workspace, segmenter, tmp_path / "in", 0.0, 1.0, 10.0, 11.0, 30.0)
    ask(workspace, segmenter, studio, count=1)  # makes the tasks
    correct(workspace, seen, half())
    report = ask(workspace, segmenter, None, count=2, now=START + 100 * HOUR)
    assert (report.strategy, ids(report)[0]) == ("kcenter", e)
    assert ids(report)[1] in {c, d} and not report.written and report.pool == 5


def test_evidence_decides_where_the_model_has_it(workspace, segmenter, tmp_path):
    _, b, _ = on_line(workspace, segmenter, tmp_path / "in", 0, 50, 100, vacuity=[0.2, 0.8, 0.1])
    report = ask(workspace, segmenter, count=1)
    assert (report.strategy, ids(report)) == ("evidential-diverse", [b])
    place(workspace, segmenter, add_disc(workspace, tmp_path / "in"), 7)  # one of which it says nothing
    assert ask(workspace, segmenter, count=1, now=START + 100 * HOUR).strategy == "kcenter"


def test_golden_and_annotated_micrographs_are_never_chosen_and_come_last(workspace, segmenter, studio, tmp_path):
    golden = add_disc(workspace, tmp_path / "in", golden=True)
    a, b, c, d = on_line(workspace, segmenter, tmp_path / "in", 0, 1, 2, 3, vacuity=[0.9, 0.8, 0.7, 0.6])
    ask(workspace, segmenter, studio, strategy="evidential", count=1)
    tasks = {m: t for t, m in zip(sorted(studio.stored_tasks), [golden.id, a, b, c, d], strict=False)}
    by_hash = {studio.stored_tasks[t].data["micrograph"]: t for t in tasks.values()}
    with workspace.reading() as session:
        task_of = {m: by_hash[get_micrograph(session, m).content_hash] for m in (a, b)}
        skipped, unsynced = get_micrograph(session, a), task_of[b]
    correct(workspace, skipped, half(), skipped=True)
    studio.annotate(task_of[a], [], was_cancelled=True)
    studio.annotate(unsynced, [])  # Label Studio has it, the catalog not yet
    report = ask(workspace, segmenter, studio, strategy="evidential", count=9, now=START + 100 * HOUR)
    assert (ids(report), report.pool) == ([c, d], 2)
    assert served(workspace, studio) == [c, d, golden.id]
    assert studio.score_of(task_of[a]) == studio.score_of(task_of[b]) == 1.0


def test_a_quota_spreads_the_batch_over_specimens(workspace, segmenter, tmp_path):
    specimens = ["A", "A", "A", "B", None, None]
    micrographs = [add_disc(workspace, tmp_path / "in", specimen=specimen) for specimen in specimens]
    for index, micrograph in enumerate(micrographs):
        place(workspace, segmenter, micrograph, index, vacuity=0.9 - index / 10)
    a1, _, _, b, n1, n2 = (micrograph.id for micrograph in micrographs)
    assert ids(ask(workspace, segmenter, strategy="evidential", count=4, quota=1)) == [a1, b, n1, n2]
    assert ids(ask(workspace, segmenter, strategy="evidential", count=4, quota=1, now=START + 100 * HOUR)) == [
        a1, b, n1, n2
    ]  # fmt: skip


def test_the_same_seed_chooses_the_same(workspace, segmenter, tmp_path):
    on_line(workspace, segmenter, tmp_path / "in", *range(12))
    batches = [
        ids(ask(workspace, segmenter, strategy="random", count=6, seed=seed, now=START + day * 24 * HOUR))
        for day, seed in enumerate((3, 3, 4))
    ]
    assert batches[0] == batches[1] != batches[2]


@pytest.mark.parametrize("written", [0, 2])
def test_what_was_stored_and_not_written_is_written_and_not_chosen_anew(
    workspace, segmenter, studio, tmp_path, monkeypatch, written
):
    a, b, c, d = on_line(workspace, segmenter, tmp_path / "in", *range(4), vacuity=[0.1, 0.9, 0.5, 0.7])
    request = {"strategy": "evidential", "count": 2}
    original, done = studio.predictions.rescore, []

    def rescore(prediction_id, score):
        if len(done) == written:
            raise LabelStudioUnreachableError("Label Studio does not answer")
        done.append(prediction_id)
        original(prediction_id, score)

    with monkeypatch.context() as outage:
        outage.setattr(studio.predictions, "rescore", rescore)
        with pytest.raises(LabelStudioUnreachableError):
            ask(workspace, segmenter, studio, **request)
    with workspace.reading() as session:
        stored = newest_ranking(session, workspace.project().id)
    assert stored.written_at is None and [each.micrograph_id for each in stored.chosen] == [b, d]
    studio.calls.clear()
    again = ask(workspace, segmenter, studio, now=START + HOUR, **request)
    assert ids(again) == [b, d] and again.written and served(workspace, studio) == [b, d, c, a]
    assert (
        studio.calls.count("predictions.rescore") == 3 - written
    )  # 0.5 stands already; what was written is not written again
    assert ids(ask(workspace, segmenter, studio, now=START + HOUR, **request)) == [c, a]


def test_an_unwritten_ranking_is_finished_for_who_asked_for_it(workspace, segmenter, studio, tmp_path, monkeypatch):
    on_line(workspace, segmenter, tmp_path / "in", *range(3), vacuity=[0.1, 0.9, 0.5])
    request = {"strategy": "evidential", "count": 1}
    with monkeypatch.context() as outage:
        outage.setattr(module, "write_order", lambda *_: 0)  # as if it had been killed there
        (first,) = ids(ask(workspace, segmenter, studio, **request))
    assert ids(ask(workspace, segmenter, studio, who="bob", **request)) == [3] != [first]


def test_scoring_goes_on_where_it_stopped(workspace, segmenter, tmp_path, monkeypatch):
    for _ in range(3):
        add_disc(workspace, tmp_path / "in")
    original, scored = scorer_room.Scorer.score, []

    def score(self, pixels, found, ignored=None):
        if len(scored) == 2:
            raise KeyboardInterrupt
        scored.append(pixels)
        return original(self, pixels, found, ignored)

    monkeypatch.setattr(scorer_room.Scorer, "score", score)
    with pytest.raises(KeyboardInterrupt):
        ask(workspace, segmenter)
    monkeypatch.setattr(
        scorer_room.Scorer, "score", lambda self, *args: scored.append(args[0]) or original(self, *args)
    )
    report = ask(workspace, segmenter, count=3)
    assert len(report.chosen) == 3 and len(scored) == 3
    assert report.chosen[0].scores == {}


def test_a_damaged_image_is_named_and_left_out(workspace, segmenter, studio, tmp_path):
    good, bad = (add_disc(workspace, tmp_path / "in") for _ in range(2))
    path = workspace.objects.local_path(bad.object_key)
    path.write_bytes(path.read_bytes()[:40])
    report = ask(workspace, segmenter, studio, count=5)
    assert ids(report) == [good.id] and report.written
    assert len(report.failed) == 1 and report.failed[0].startswith(f"{bad.name}: ") and "\n" not in report.failed[0]


def test_a_strategy_that_needs_more_is_refused_before_the_long_work(workspace, segmenter, tmp_path, monkeypatch):
    for _ in range(2):
        add_disc(workspace, tmp_path / "in")
    count = []
    original = scorer_room.Scorer.score
    monkeypatch.setattr(scorer_room.Scorer, "score", lambda self, *args: count.append(1) or original(self, *args))
    with pytest.raises(ConfigError, match="'evidential-diverse' needs vacuity of the pool"):
        ask(workspace, segmenter, strategy="evidential-diverse")
    with pytest.raises(ConfigError, match="no strategy 'best'; use one of: random"):
        ask(workspace, segmenter, strategy="best")
    assert len(count) == 1
    with workspace.reading() as session:
        assert newest_ranking(session, workspace.project().id) is None


def test_who_is_quicker_gets_it(workspace, segmenter, tmp_path, monkeypatch):
    """Bob chooses between Ann's look at the pool and her choice."""
    a, b, _ = on_line(workspace, segmenter, tmp_path / "in", 0, 1, 2, vacuity=[0.9, 0.8, 0.7])
    request = {"strategy": "evidential", "count": 1}
    original, quicker = Candidates.batch, []

    def slow(self, *asked, **more):
        found = original(self, *asked, **more)
        monkeypatch.setattr(Candidates, "batch", original)
        quicker.extend(ids(ask(workspace, segmenter, who="bob", **request)))
        return found

    place(workspace, segmenter, add_disc(workspace, tmp_path / "in"), 9, vacuity=0.1)
    ask(workspace, segmenter, strategy="random", count=1, lease_hours=0.01, now=START - HOUR)
    monkeypatch.setattr(Candidates, "batch", slow)
    assert ids(rank(workspace, segmenter, None, RankSettings(count=1), "ann", START)) == [b] and quicker == [a]


def test_an_empty_pool_is_no_error(workspace, segmenter, studio):
    report = ask(workspace, segmenter, studio)
    assert (report.pool, report.chosen, report.written) == (0, (), False)


def test_a_label_studio_that_does_not_keep_scores_is_noticed(workspace, segmenter, studio, tmp_path, monkeypatch):
    on_line(workspace, segmenter, tmp_path / "in", 0, 1, 2)
    monkeypatch.setattr(studio.predictions, "rescore", lambda *_: None)
    with pytest.raises(LabelStudioError, match="did not keep the scores of 3 of 3 predictions"):
        ask(workspace, segmenter, studio)
    with workspace.reading() as session:
        assert len(leases(session, workspace.project().id, START)) == 3  # chosen and leased all the same


def test_settings_are_checked():
    assert rank_settings(RankSettings(), count=3, strategy=None).count == 3
    with pytest.raises(ConfigError, match="lease_hours"):
        rank_settings(RankSettings(), lease_hours=0)
