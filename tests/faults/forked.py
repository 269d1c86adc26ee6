"""Workers and backends as processes that start at once: forked from one that has imported everything."""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.process import BaseProcess
from pathlib import Path

import uvicorn

from matcurate.jobs.worker import main

FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["forked", "matcurate_backend.app"])


@contextmanager
def worker(home: Path) -> Iterator[BaseProcess]:
    """``curate worker``, killed at the end if it still runs."""
    with _process(home, None) as process:
        yield process


@contextmanager
def backend(home: Path, port: int) -> Iterator[BaseProcess]:
    """``curate serve``, killed at the end if it still runs."""
    with _process(home, port) as process:
        yield process


@contextmanager
def _process(home: Path, port: int | None) -> Iterator[BaseProcess]:
    process = FORKS.Process(target=_run, args=(home, port))
    process.start()
    try:
        yield process
    finally:
        process.kill()
        process.join()


def _run(home: Path, port: int | None) -> None:
    os.environ["CURATE_HOME"] = str(home)
    log = (home / ("worker.log" if port is None else "backend.log")).open("a")
    os.dup2(log.fileno(), sys.stderr.fileno())
    if port is None:
        os._exit(main())
    uvicorn.run("matcurate_backend.app:create_app", factory=True, port=port, log_level="warning")
