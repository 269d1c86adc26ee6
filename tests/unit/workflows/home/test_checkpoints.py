"""Pulling through the workflow: the progress is in megabytes, the store in the cache of the installation."""

import hashlib
import http.server
import threading
from functools import partial

import pytest

from matcurate.config import Settings
from matcurate.promptable import catalogue
from matcurate.promptable.catalogue import Checkpoint
from matcurate.workflows.home import list_checkpoints, pull_checkpoint

CONTENT = b"0123456789" * 250_000


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


@pytest.fixture
def address(tmp_path):
    (tmp_path / "served").mkdir()
    (tmp_path / "served" / "small.pth").write_bytes(CONTENT)
    handler = partial(Quiet, directory=str(tmp_path / "served"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/small.pth"
        server.shutdown()
        thread.join()


def test_pull_from_a_mirror(tmp_path, address, monkeypatch):
    entry = Checkpoint("small", "small.pth", "http://127.0.0.1:9/x", len(CONTENT), hashlib.sha256(CONTENT).hexdigest())
    monkeypatch.setitem(catalogue.OFFICIAL, "small", entry)
    settings = Settings(home=tmp_path / "home", cache_dir=tmp_path / "elsewhere")
    seen = []
    pulled = pull_checkpoint(
        settings, "small", url=address, progress=lambda done, total, note="": seen.append((done, total, note))
    )
    assert pulled.added and pulled.path == tmp_path / "elsewhere" / "checkpoints" / "small.pth"
    assert seen[0] == (0, 2, "MB small") and seen[-1] == (2, 2, "MB small")
    present = {each.checkpoint.name: each.present for each in list_checkpoints(settings)}
    assert present == {**dict.fromkeys(["vit_b", "vit_l", "vit_h", *catalogue.IMAGENET], False), "small": True}
