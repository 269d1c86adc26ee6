"""The checkpoint store against a real HTTP server that can be told to misbehave."""

import errno
import hashlib
import multiprocessing
import os
import shutil
import socket
import threading
from collections import namedtuple
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock

from matcurate.errors import CheckpointError
from matcurate.promptable import digests
from matcurate.promptable.catalogue import OFFICIAL, Checkpoint
from matcurate.promptable.checkpoints import CheckpointStore
from matcurate.promptable.download import Patience

CONTENT = np.random.default_rng(7).bytes(300_000)
QUICK = Patience(attempts=3, backoff=0.01, timeout=5.0)


class Server(ThreadingHTTPServer):
    """Serves one file. The n-th request is cut after ``cuts[n]`` bytes, or answered with ``answers[n]``."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.content = CONTENT
        self.ranges = True
        self.state_length = True
        self.shift = 0
        self.cuts: list[int | None] = []
        self.answers: list[int] = []
        self.asked: list[str | None] = []

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}/weights.pth"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def log_message(self, *args):
        pass

    def do_GET(self):
        server, asked = self.server, self.headers.get("Range")
        number = len(server.asked)
        server.asked.append(asked)
        status = server.answers[number] if number < len(server.answers) else 200
        start = int(asked.removeprefix("bytes=").removesuffix("-")) if asked and server.ranges else 0
        if status == 200 and start >= len(server.content):
            status = 416
        if status != 200:
            self.send_error(status)
            return
        body = server.content[start:]
        self.send_response(206 if start else 200)
        if start:
            first, last = start + server.shift, len(server.content) - 1
            self.send_header("Content-Range", f"bytes {first}-{last}/{len(server.content)}")
        if server.state_length:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        cut = server.cuts[number] if number < len(server.cuts) else None
        self.wfile.write(body[:cut])


@pytest.fixture
def server():
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def catalogue(url, content=CONTENT):
    digest = hashlib.sha256(content).hexdigest()
    return {"small": Checkpoint("small", "small_test.pth", url, len(content), digest)}


@pytest.fixture
def store(server, tmp_path):
    return CheckpointStore(tmp_path / "store", catalogue(server.url), QUICK)


def names(store):
    return sorted(path.name for path in store.root.iterdir() if not path.name.endswith(".lock"))


ONLY_THE_FILE = ["small_test.pth", "small_test.pth.sha256.json"]


def test_official_entries_are_those_of_the_authors():
    assert {name: entry.url.rsplit("/", 1)[1] for name, entry in OFFICIAL.items()} == {
        "vit_b": "sam_vit_b_01ec64.pth",
        "vit_l": "sam_vit_l_0b3195.pth",
        "vit_h": "sam_vit_h_4b8939.pth",
    }
    assert all(entry.url.startswith("https://dl.fbaipublicfiles.com/") for entry in OFFICIAL.values())
    assert all(len(bytes.fromhex(entry.sha256)) == 32 for entry in OFFICIAL.values())


def test_pull_brings_the_file_and_reports_how_far(store, server):
    seen = []
    pulled = store.pull("small", progress=lambda done, total, note="": seen.append((done, total)))
    assert pulled.added and pulled.path.read_bytes() == CONTENT
    assert names(store) == ONLY_THE_FILE
    assert seen[0] == (0, 300_000) and seen[-1] == (300_000, 300_000) and seen == sorted(seen)
    assert server.asked == [None]


def test_what_is_there_is_not_fetched_again(store, server):
    store.pull("small")
    again = store.pull("small")
    assert not again.added and len(server.asked) == 1


def test_a_cut_connection_is_resumed_where_it_ended(store, server):
    server.cuts = [100_000, 50_000]
    assert store.pull("small").path.read_bytes() == CONTENT
    assert server.asked == [None, "bytes=100000-", "bytes=150000-"]


def test_a_later_call_goes_on_from_what_an_earlier_one_left(store, server):
    server.cuts = [120_000]
    server.answers = [200, 503, 503, 503]
    with pytest.raises(CheckpointError, match=r"answered 503.*from byte 120000.*--from FILE"):
        store.pull("small")
    (status,) = store.list()
    assert (status.present, status.partial_bytes) == (False, 120_000)
    assert store.pull("small").path.read_bytes() == CONTENT
    assert server.asked[-1] == "bytes=120000-"


def test_attempts_that_bring_bytes_do_not_use_up_the_patience(store, server):
    server.cuts = [50_000] * 5
    assert store.pull("small").path.read_bytes() == CONTENT
    assert len(server.asked) == 6 > QUICK.attempts


def test_a_server_without_ranges_starts_over(store, server):
    server.ranges = False
    server.cuts = [100_000]
    assert store.pull("small").path.read_bytes() == CONTENT
    assert server.asked == [None, "bytes=100000-"]


def test_a_server_that_always_cuts_at_the_same_place_is_given_up(store, server):
    server.ranges = False
    server.cuts = [100_000] * 20
    with pytest.raises(CheckpointError, match="could not fetch"):
        store.pull("small")
    assert len(server.asked) == QUICK.attempts + 1


def test_a_stream_without_length_that_ends_early_is_resumed(store, server):
    server.state_length = False
    server.cuts = [70_000]
    assert store.pull("small").path.read_bytes() == CONTENT
    assert server.asked == [None, "bytes=70000-"]


def test_a_part_from_another_place_than_asked_is_not_appended(store, server):
    server.cuts = [100_000]
    server.shift = 10
    assert store.pull("small").path.read_bytes() == CONTENT
    assert server.asked == [None, "bytes=100000-", None]


def test_a_part_longer_than_the_file_is_thrown_away(store, server):
    store.root.mkdir()
    (store.root / "small_test.pth.part").write_bytes(CONTENT + b"more")
    assert store.pull("small").path.read_bytes() == CONTENT
    assert server.asked == [None]


def test_a_complete_part_is_only_checked(store, server):
    store.root.mkdir()
    (store.root / "small_test.pth.part").write_bytes(CONTENT)
    assert store.pull("small").path.read_bytes() == CONTENT
    assert server.asked == []


def test_a_server_with_a_shorter_file_is_refused_not_asked_for_ever(store, server):
    store.root.mkdir()
    (store.root / "small_test.pth.part").write_bytes(CONTENT[:200_000])
    server.content = CONTENT[:150_000]
    with pytest.raises(CheckpointError, match="offers 150000 bytes, small has 300000"):
        store.pull("small")
    assert server.asked == ["bytes=200000-", None]


def test_wrong_content_of_the_right_size_is_removed(store, server):
    server.content = bytes(len(CONTENT))
    with pytest.raises(CheckpointError, match="is not the official small") as caught:
        store.pull("small")
    assert "\n" not in str(caught.value)
    assert names(store) == []


def test_a_mirror_must_serve_the_same_file(store, server, tmp_path):
    elsewhere = CheckpointStore(tmp_path / "other", catalogue("http://127.0.0.1:9/gone"), QUICK)
    assert elsewhere.pull("small", server.url).path.read_bytes() == CONTENT
    server.content = CONTENT[::-1]
    with pytest.raises(CheckpointError, match=f"{server.url}: sha256"):
        store.pull("small", server.url)


def test_an_endless_answer_is_stopped(store, server):
    server.state_length = False
    server.content = CONTENT * 3
    with pytest.raises(CheckpointError, match="small has 300000: not the official file"):
        store.pull("small")
    assert names(store) == []


def test_not_found_is_said_at_once(store, server):
    server.answers = [404]
    with pytest.raises(CheckpointError, match=r"answered 404 Not Found; check the address \(--url\)"):
        store.pull("small")
    assert len(server.asked) == 1


def test_offline_names_the_way_by_hand(tmp_path):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/weights.pth"
    offline = CheckpointStore(tmp_path, catalogue(url), QUICK)
    with pytest.raises(CheckpointError, match=r"no network, fetch .* 'curate checkpoints pull small --from FILE'"):
        offline.pull("small")


@pytest.mark.parametrize(
    "url", ["ftp://host/x", "weights.pth", "http://", "http://[bad", "http://host:port/x", "file:///etc/passwd"]
)
def test_what_is_no_web_address_is_refused(store, url):
    with pytest.raises(CheckpointError, match="http"):
        store.pull("small", url)


def test_a_full_disk_is_noticed_before_the_download(store, server, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage(10**6, 10**6 - 1000, 1000))
    with pytest.raises(CheckpointError, match="needs 0 MB more and the disk has 0 MB; make room"):
        store.pull("small")
    assert server.asked == []


def test_a_disk_that_fills_up_meanwhile(store, monkeypatch):
    def full(path, mode="r", *rest, **named):
        if path.name.endswith(".part") and mode != "rb":
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        return original(path, mode, *rest, **named)

    original = Path.open
    monkeypatch.setattr(Path, "open", full)
    with pytest.raises(CheckpointError, match=r"small_test.pth.part: the disk is full; make room"):
        store.pull("small")


def test_a_store_that_cannot_be_made(server, tmp_path):
    (tmp_path / "file").write_text("in the way")
    blocked = CheckpointStore(tmp_path / "file" / "store", catalogue(server.url), QUICK)
    with pytest.raises(CheckpointError, match="Not a directory; check the folder's rights"):
        blocked.pull("small")


def test_install_copies_a_file_in(store, tmp_path):
    (tmp_path / "downloaded").write_bytes(CONTENT)
    assert store.install("small", tmp_path / "downloaded").added
    assert not store.install("small", tmp_path / "downloaded").added
    assert store.verified("small").read_bytes() == CONTENT
    assert names(store) == ONLY_THE_FILE


def test_install_refuses_what_is_not_the_file(store, tmp_path):
    (tmp_path / "other").write_bytes(b"something else")
    with pytest.raises(CheckpointError, match="is not the official small"):
        store.install("small", tmp_path / "other")
    with pytest.raises(CheckpointError, match=r"is no file; give the downloaded small_test\.pth"):
        store.install("small", tmp_path / "nowhere")
    assert names(store) == [] and not store.has("small")


def test_install_that_cannot_be_copied_leaves_nothing(store, tmp_path, monkeypatch):
    def broken(source, target):
        Path(target).write_bytes(b"half")
        raise OSError(errno.EIO, "Input/output error", str(source))

    (tmp_path / "downloaded").write_bytes(CONTENT)
    monkeypatch.setattr(shutil, "copyfile", broken)
    with pytest.raises(CheckpointError, match="downloaded: Input/output error"):
        store.install("small", tmp_path / "downloaded")
    assert names(store) == []


def test_verified_wants_the_file_there_and_intact(store):
    with pytest.raises(CheckpointError) as caught:
        store.verified("small")
    assert str(caught.value) == ("'small' is not in the checkpoint store; run 'curate checkpoints pull small'")
    path = store.pull("small").path
    assert store.verified("small") == path
    path.write_bytes(CONTENT[:-1] + b"x")
    with pytest.raises(CheckpointError, match=r"is not the official small .*'curate checkpoints pull small'"):
        store.verified("small")
    assert store.pull("small").added and store.verified("small").read_bytes() == CONTENT


def test_unknown_names_are_answered_with_the_known(store):
    with pytest.raises(CheckpointError, match="no checkpoint 'big'; use one of: small"):
        store.pull("big")


def test_a_digest_is_remembered_until_the_file_changes(tmp_path, monkeypatch):
    read = []
    monkeypatch.setattr(
        digests, "sha256_of", lambda path: read.append(path) or hashlib.sha256(path.read_bytes()).hexdigest()
    )
    path = tmp_path / "weights"
    path.write_bytes(b"abc")
    known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # FIPS 180-2, appendix B.1
    assert digests.remembered_sha256(path) == digests.remembered_sha256(path) == known
    assert len(read) == 1
    path.write_bytes(b"abd")
    os.utime(path, ns=(1, 1))
    assert digests.remembered_sha256(path) == hashlib.sha256(b"abd").hexdigest()
    (tmp_path / "weights.sha256.json").write_text("[damaged")
    assert digests.remembered_sha256(path) == hashlib.sha256(b"abd").hexdigest()
    assert len(read) == 3


def _pull(root, url, ready, results):
    ready.wait()
    pulled = CheckpointStore(Path(root), catalogue(url), QUICK).pull("small")
    results.put((pulled.added, pulled.path.read_bytes() == CONTENT))


def test_two_processes_at_once_fetch_once(server, tmp_path):
    context = multiprocessing.get_context("spawn")
    ready, results = context.Event(), context.Queue()
    workers = [context.Process(target=_pull, args=(tmp_path, server.url, ready, results)) for _ in range(2)]
    for worker in workers:
        worker.start()
    ready.set()
    answers = sorted(results.get(timeout=20) for _ in workers)
    for worker in workers:
        worker.join(20)
    assert answers == [(False, True), (True, True)]
    assert server.asked == [None]


def test_the_second_process_says_that_it_waits(store, server):
    seen = []
    store.root.mkdir()
    lock = FileLock(store.root / ".small_test.pth.lock")
    lock.acquire()
    waiting = threading.Event()

    def progress(done, total, note=""):
        seen.append(note)
        waiting.set()

    thread = threading.Thread(target=store.pull, args=("small",), kwargs={"progress": progress})
    thread.start()
    assert waiting.wait(5)
    assert seen == ["small: waiting for another process that fetches it"] and server.asked == []
    lock.release()
    thread.join(10)
    assert store.has("small")
