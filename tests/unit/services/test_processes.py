import os
import socket
import sys
import time
from pathlib import Path

import httpx
import pytest

from matcurate.errors import ServiceError
from matcurate.services.processes import ServiceSpec, free_port, running

SERVER = (
    "import http.server as h,sys;"
    "h.HTTPServer(('127.0.0.1',int(sys.argv[1])),h.SimpleHTTPRequestHandler).serve_forever()"
)


def web_server(tmp_path: Path, name: str = "web", *, code: str = SERVER, timeout: float = 20.0) -> ServiceSpec:
    port = free_port()
    command = [sys.executable, "-c", code, str(port)]
    return ServiceSpec(name, command, f"http://127.0.0.1:{port}/", tmp_path / "logs" / f"{name}.log", timeout=timeout)


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_one_without_an_address_counts_as_up_at_once(tmp_path: Path) -> None:
    spec = ServiceSpec("silent", [sys.executable, "-c", "import time; time.sleep(60)"], None, tmp_path / "silent.log")
    with running([spec]) as processes:
        assert processes["silent"].poll() is None
    assert processes["silent"].poll() is not None


def test_services_answer_inside_and_are_gone_after(tmp_path: Path) -> None:
    specs = [web_server(tmp_path, "one"), web_server(tmp_path, "two")]
    seen = []
    with running(specs, lambda done, total, note="": seen.append((done, total, note))) as processes:
        assert [httpx.get(spec.health_url).status_code for spec in specs] == [200, 200]
        pids = [process.pid for process in processes.values()]
    assert seen == [(0, 2, "one"), (1, 2, "two"), (2, 2, "")]
    assert not any(alive(pid) for pid in pids)


def test_a_service_that_ends_is_named_with_its_log_and_the_others_stop(tmp_path: Path) -> None:
    good = web_server(tmp_path, "good")
    bad = web_server(tmp_path, "bad", code="print('no database'); raise SystemExit(3)")
    with pytest.raises(ServiceError, match=r"bad ended with code 3; see .*bad\.log"), running([good, bad]):
        pass
    assert "no database" in (tmp_path / "logs" / "bad.log").read_text()
    with pytest.raises(httpx.ConnectError):
        httpx.get(good.health_url)


def test_a_service_that_does_not_answer_in_time(tmp_path: Path) -> None:
    spec = web_server(tmp_path, "slow", code="import time; time.sleep(60)", timeout=0.6)
    start = time.monotonic()
    with pytest.raises(ServiceError, match="slow did not answer"), running([spec]):
        pass
    assert time.monotonic() - start < 10


def test_children_of_a_service_end_with_it(tmp_path: Path) -> None:
    child = tmp_path / "child.pid"
    code = (
        "import subprocess,sys;p=subprocess.Popen([sys.executable,'-c','import time;time.sleep(60)']);"
        f"open({str(child)!r},'w').write(str(p.pid));" + SERVER
    )
    with running([web_server(tmp_path, code=code)]):
        pid = int(child.read_text())
        assert alive(pid)
    deadline = time.monotonic() + 5
    while alive(pid) and Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z" and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not alive(pid) or Path(f"/proc/{pid}/stat").read_text().split()[2] == "Z"


def test_a_port_that_is_taken_is_replaced() -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        taken = holder.getsockname()[1]
        assert free_port(taken) != taken
    assert free_port(taken) == taken
