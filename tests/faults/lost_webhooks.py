"""Thousands of webhooks, doubled, out of order, and lost while the backend is killed: the catalog gets it right.

    python tests/faults/lost_webhooks.py --webhooks 10000 --kills 5 --seed 0

A stand-in for Label Studio says what experts do; the backend is a process of its own. Prints the figures as JSON and
exits with 1 when the corrections in the catalog are not exactly those of the stand-in.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import time
from collections import Counter
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path

import httpx
import numpy as np
from forked import backend
from killed_workers import SIZE, draw, make_home, wait_until
from label_studio_stand_in import PROJECT, StandIn, serving

from matcurate.catalog import list_corrections, list_micrographs
from matcurate.config import load_settings
from matcurate.labelstudio import encode_prediction, parse_labelling_config
from matcurate.services.processes import free_port
from matcurate.workflows.home import Workspace, open_workspace
from matcurate.workflows.labelling import pending_webhooks

DUPLICATES, REORDERED = 0.2, 0.1
LOST = 10
"""Webhooks that come while the backend is down; then the experts have a break until it is up again."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--webhooks", type=int, default=10_000)
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--database", help="PostgreSQL for the catalog and the job queue.")
    given = parser.parse_args()
    stand_in = StandIn(["precipitate"])
    with tempfile.TemporaryDirectory() as folder, serving(stand_in, free_port()) as url:
        home = make_home(Path(folder), "a", url, given.database)
        workspace = open_workspace(load_settings(home))
        draw(workspace, Path(folder) / "images", 20)
        with workspace.reading() as session:
            for micrograph in list_micrographs(session, workspace.project().id):
                stand_in.add_task({"micrograph": micrograph.content_hash})
        figures = sent(stand_in, workspace, home, given.webhooks, given.kills, random.Random(given.seed))
        faults = differences(stand_in, workspace)
    print(json.dumps({**figures, "corrections": len(stand_in.annotations), "faults": faults[:20]}, indent=1))
    return 1 if faults else 0


def sent(
    stand_in: StandIn, workspace: Workspace, home: Path, count: int, kills: int, rng: random.Random
) -> dict[str, object]:
    """Let experts work and Label Studio tell of it while the backend is killed; then wait until all is handled."""
    experts = Experts(stand_in, rng)
    killed_after = set(rng.sample(range(count // 10, count), kills))
    late: list[tuple[int, str, int]] = []
    seconds: list[float] = []
    outcomes: Counter[str] = Counter()
    port, lost, number = free_port(), 0, 0
    with ExitStack() as stack, httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=10) as http:
        process = stack.enter_context(backend(home, port))
        wait_until(lambda: is_up(http), 300)
        while number < count or late:
            due = [each for each in late if each[0] <= number or number >= count]
            late = [each for each in late if each not in due]
            told = [(action, annotation) for _, action, annotation in due] or [experts.work()]
            for action, annotation in told:
                if not due and rng.random() < REORDERED:
                    late.append((number + rng.randrange(2, 40), action, annotation))
                    continue
                if not due and rng.random() < DUPLICATES:
                    late.append((number + rng.randrange(1, 40), action, annotation))
                number += 1
                if number in killed_after:
                    process.kill()
                    process.join()
                answer = tell(http, action, annotation)
                outcomes["lost" if answer is None else "answered"] += 1
                if answer is not None:
                    seconds.append(answer)
                    continue
                lost += 1
                if lost % LOST == 0:
                    process = stack.enter_context(backend(home, port))
                    wait_until(lambda: is_up(http), 300)
        began = time.monotonic()
        wait_until(lambda: "matcurate_inbox_pending 0.0" in metrics(http) and not pending_webhooks(workspace), 3600)
        wait_until(lambda: not differences(stand_in, workspace), 1300)  # two reconciliations
    p50, p99 = (1000 * float(np.quantile(seconds, q)) for q in (0.5, 0.99))
    return {
        **{"webhooks": number, **outcomes, "kills": kills, "p50_ms": p50, "p99_ms": p99, "max_ms": 1000 * max(seconds)},
        "seconds_until_handled": time.monotonic() - began,
    }


class Experts:
    """Annotate tasks, change and delete annotations, at random."""

    def __init__(self, stand_in: StandIn, rng: random.Random) -> None:
        self.stand_in, self.rng = stand_in, rng
        config = parse_labelling_config(str(stand_in.project["label_config"]), ["precipitate"])
        masks = [np.zeros(SIZE, dtype=np.uint8) for _ in range(20)]
        for index, mask in enumerate(masks):
            mask[10 + index : 60, 30:90] = 1
        self.results = [encode_prediction(mask, config) for mask in masks]

    def work(self) -> tuple[str, int]:
        """Do one thing; returns what Label Studio calls it, and the annotation."""
        known, result = list(self.stand_in.annotations), self.rng.choice(self.results)
        what = self.rng.random()
        if known and what < 0.1:
            annotation = self.rng.choice(known)
            self.stand_in.delete(annotation)
            return "ANNOTATIONS_DELETED", annotation
        if known and what < 0.6:
            annotation = self.rng.choice(known)
            self.stand_in.annotate(int(self.stand_in.annotations[annotation]["task"]), result, annotation)
            return "ANNOTATION_UPDATED", annotation
        return "ANNOTATION_CREATED", self.stand_in.annotate(self.rng.choice(list(self.stand_in.tasks)), result)


def differences(stand_in: StandIn, workspace: Workspace) -> list[str]:
    """One line for each correction that the catalog has otherwise than Label Studio."""
    with workspace.reading() as session:
        stored = list_corrections(session, workspace.project().id, include_skipped=True)
    ours = {each.ls_annotation_id: each.ls_updated_at for each in stored}
    theirs = {number: datetime.fromisoformat(each["updated_at"]) for number, each in stand_in.annotations.items()}
    every = sorted(ours.keys() | theirs.keys())
    return [f"annotation {n}: {ours.get(n)}, not {theirs.get(n)}" for n in every if ours.get(n) != theirs.get(n)]


def tell(http: httpx.Client, action: str, annotation: int) -> float | None:
    """Send a webhook; returns the seconds until the answer, None when there is none."""
    key = "annotations" if action == "ANNOTATIONS_DELETED" else "annotation"
    body = {"action": action, "project": {"id": PROJECT}, key: [{"id": annotation}]}
    began = time.perf_counter()
    try:
        http.post("/webhook", json=body).raise_for_status()
    except httpx.TransportError:
        return None
    return time.perf_counter() - began


def is_up(http: httpx.Client) -> bool:
    try:
        return http.get("/health").is_success
    except httpx.TransportError:
        return False


def metrics(http: httpx.Client) -> str:
    return http.get("/metrics").text


if __name__ == "__main__":
    sys.exit(main())
