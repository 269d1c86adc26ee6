"""Seconds and peak memory of commands on an empty home, each in a process of its own.

Run with ``python benchmarks/startup.py [REPETITIONS]``; medians are printed.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

COMMANDS = ("--help", "init", "jobs", "models list", "report", "retrain --dry-run", "schedule", "checkpoints list")
PROGRAM = "from matcurate.cli.app import main; main()"


def run(home: Path, command: str) -> tuple[float, float, float]:
    """Seconds, seconds of the processor, and peak MB of one command."""
    begun = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, "--home", str(home), *command.split()], stdout=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"curate {command} has failed")
    return time.perf_counter() - begun, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def main() -> None:
    """Print the table."""
    repetitions = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    print(f"| {'command':17} | seconds | CPU s | peak MB |\n|{'-' * 19}|--------:|------:|--------:|")
    with tempfile.TemporaryDirectory() as folder:
        run(Path(folder), "init")  # the first run compiles what has changed
        for command in COMMANDS:
            homes = [Path(folder) / str(number) if command == "init" else Path(folder) for number in range(repetitions)]
            seconds, processor, memory = (
                median(values) for values in zip(*(run(home, command) for home in homes), strict=True)
            )
            print(f"| {command:17} | {seconds:7.2f} | {processor:5.2f} | {memory:7.0f} |")


if __name__ == "__main__":
    main()
