"""Send mutated bodies to every route of the backend: no 5xx, no traceback, no hang.

    python tests/faults/mutated_bodies.py --count 3000 --seed 0

In each body of Label Studio's kind a value is replaced, removed or doubled, up to three times, or bytes of its text are
changed. Prints the answers by route and status, and one line for each fault; exits with 1 when there is any.
"""

from __future__ import annotations

import argparse
import copy
import json
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from fastapi.testclient import TestClient
from killed_workers import draw

from matcurate.catalog import list_micrographs
from matcurate.config import load_settings
from matcurate.labelstudio import labelling_config
from matcurate.workflows.home import initialise, open_workspace
from matcurate_backend.app import create_app

SECONDS = 20.0
VALUES: tuple[object, ...] = (
    None, True, False, 0, -1, 1, 2**31, 2**63, 2**70, -(2**70), 10**400, 0.5, 1e308, -1e308, "", "x", "\0", "é" * 3,
    "a" * 5000, "-1", "../../etc", "data:image/png;base64,AAAA", "/data/upload/1/x.png", [], {}, [[]], [None],
    {"": None}, "<View/>", "<View><Image/></View>", "NaN",
)  # fmt: skip
Place = list[str | int]


def bodies(content_hash: str) -> dict[str, list[object]]:
    """Sound bodies of every route."""
    xml = labelling_config(["precipitate"], instances=True)
    size = {"original_width": 160, "original_height": 96, "image_rotation": 0, "to_name": "image"}
    point = size | {
        "type": "keypointlabels", "from_name": "smart_point", "id": "p", "is_positive": True,
        "value": {"x": 40.0, "y": 50.0, "width": 0.2, "keypointlabels": ["precipitate"]},
    }  # fmt: skip
    value = {"x": 20.0, "y": 20.0, "width": 30.0, "height": 40.0, "rotation": 0, "rectanglelabels": ["instance"]}
    box = size | {"type": "rectanglelabels", "from_name": "smart_box", "id": "b", "value": value}
    ratio = {"id": "r", "type": "number", "from_name": "ratio_1", "to_name": "image", "value": {"number": 0.2}}
    draft = {"result": [ratio], "updated_at": "2026-11-21T01:54:00Z"}
    task = {"id": 1, "data": {"image": "/x", "micrograph": content_hash}, "drafts": [], "annotations": []}

    def question(task: object, context: object) -> object:
        params = {"login": None, "context": context}
        return {"tasks": [task], "project": "7.1", "label_config": xml, "params": params}

    return {
        "/setup": [{"project": "7.1", "schema": xml, "hostname": "http://x", "access_token": "t"}],
        "/predict": [
            question(task, None),
            question(task | {"drafts": [draft]}, {"result": [ratio]}),
            question(task, {"result": [point, point | {"is_positive": False, "id": "q"}]}),
            question(task, {"result": [box]}),
        ],
        "/webhook": [
            {"action": "ANNOTATION_CREATED", "project": {"id": 7}, "annotation": {"id": 3, "task": 1, "result": []}},
            {"action": "ANNOTATIONS_DELETED", "project": {"id": 7}, "annotations": [{"id": 3}, {"id": 4}]},
            {"action": "START_TRAINING", "project": {"id": 7}},
        ],
    }


def places(value: object, at: Place) -> Iterator[Place]:
    """Where every value of a body stands."""
    yield at
    if isinstance(value, dict | list):
        for key, part in value.items() if isinstance(value, dict) else enumerate(value):
            yield from places(part, [*at, key])


def mutated(body: object, rng: random.Random) -> str:
    """A body as text, with something wrong in it."""
    changed = copy.deepcopy(body)
    for _ in range(rng.randint(1, 3)):
        place = rng.choice(list(places(changed, [])))
        if not place:
            continue
        holder = changed
        for key in place[:-1]:
            holder = holder[key]
        kind = rng.random()
        if kind < 0.7:
            holder[place[-1]] = copy.deepcopy(rng.choice(VALUES))
        elif kind < 0.85 or isinstance(holder, dict):
            del holder[place[-1]]
        else:
            holder.append(copy.deepcopy(holder[place[-1]]))
    text = json.dumps(changed)
    if rng.random() < 0.1:
        at = rng.randrange(len(text))
        text = text[:at] + rng.choice(["", "\0", "}", '"', "1e999", "NaN"]) + text[at + rng.randint(0, 3) :]
    return text


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    rng, answers, faults = random.Random(given.seed), Counter[tuple[str, int]](), []
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        initialise(load_settings(home), "default", ("precipitate",), "phases")
        workspace = open_workspace(load_settings(home))
        draw(workspace, Path(folder) / "images", 1)
        with workspace.reading() as session:
            (micrograph,) = list_micrographs(session, workspace.project().id)
        sound = bodies(micrograph.content_hash)
        with TestClient(create_app(workspace.settings), raise_server_exceptions=False) as http:
            for route, each in sound.items():  # sound ones are answered, so that the mutated ones get beyond the door
                for body in each:
                    http.post(route, json=body).raise_for_status()
            for _ in range(given.count):
                route = rng.choice(list(sound))
                text = mutated(rng.choice(sound[route]), rng)
                begun = time.perf_counter()
                answer = http.post(route, content=text.encode(), headers={"Content-Type": "application/json"})
                answers[route, answer.status_code] += 1
                if answer.status_code >= 500 or time.perf_counter() - begun > SECONDS:
                    faults.append(f"{route} {answer.status_code}: {answer.text[:200]} <- {text[:600]}")
    for (route, status), count in sorted(answers.items()):
        print(f"{route} {status}: {count}")
    print(f"faults: {len(faults)}", *faults[:20], sep="\n")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
