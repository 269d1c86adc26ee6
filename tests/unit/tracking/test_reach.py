"""Whether there is an MLflow store to look into."""

import http.server
import threading

import pytest

from matcurate.services.processes import free_port
from matcurate.tracking.reach import state_of


def test_a_local_file_is_there_once_it_was_made(tmp_path):
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    assert state_of(uri) == "absent"
    (tmp_path / "mlflow.db").touch()
    assert state_of(uri) == "there" and state_of(str(tmp_path)) == "there"


@pytest.mark.parametrize("code", [200, 404, 503])
def test_a_server_that_answers_anything_is_there(code):
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(code)
            self.end_headers()

        def log_message(self, *_):
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.handle_request, daemon=True).start()
        assert state_of(f"http://127.0.0.1:{server.server_port}") == "there"


def test_one_that_does_not_is_silent():
    assert state_of(f"http://127.0.0.1:{free_port()}") == "silent"
