import threading
from collections.abc import Callable, Iterator
from http.server import ThreadingHTTPServer

import pytest

from tests.unit.labelstudio.local_http import Host, handler


@pytest.fixture
def new_host() -> Iterator[Callable[[], Host]]:
    servers: list[ThreadingHTTPServer] = []

    def start() -> Host:
        host = Host("", {}, [])
        server = ThreadingHTTPServer(("127.0.0.1", 0), handler(host))
        server.daemon_threads = True
        host.url = f"http://127.0.0.1:{server.server_address[1]}"
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        servers.append(server)
        return host

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def host(new_host: Callable[[], Host]) -> Host:
    return new_host()
