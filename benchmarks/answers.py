"""What every command answers on fixed inputs, to compare two versions of the code.

    python benchmarks/answers.py before.json          # with one version installed
    python benchmarks/answers.py after.json           # with the other
    python benchmarks/answers.py --compare before.json after.json

Holds the commands with their options, and the JSON documents of commands run one after the other in an empty home on
generated micrographs. Times, durations and versions are left out; numbers are compared to a relative 1e-6.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

COMMANDS = """
synth --kind particles --out a -n 3 --size 160x240 --seed 1 --json
synth --kind grains --out g -n 2 --size 160x240 --seed 2 --json
segment a/images --out s --json
segment g/images --out sg --preset grains --json
segment a/images --out so --polarity dark --count-bars --json
measure s --nm-per-px 5 --json
measure g/instances --nm-per-px 5 --structure grains --json
measure missing --json
inspect a/images g/images --json
checkpoints list --json
init --project trial --phases particle --json
init --project trial --phases other --json
ingest a/images --lab ours --specimen one --nm-per-px 5 --json
ingest a/images --json
ingest g/images --golden --json
presegment --all --json
presegment --all --json
databar --json
rank --strategy random -k 2 --seed 3 --json
rank --strategy nonsense --json
schedule "0 2 * * *" --json
schedule --json
jobs add snapshot --json
jobs add snapshot --json
jobs list --json
jobs show 1 --json
jobs show 99 --json
schedule --remove --json
models list --json
models show 1 --json
retrain --dry-run --json
report --json
classes list --json
bench segment a --json
bench segment a --method otsu --json
bench robust a --limit 1 --changes blur-2,inverted --json
bench codec --size 200x300 --json
bench finetune a a --steps 2 --json
"""

VOLATILE = (
    "second",
    "_at",
    "not_before",
    "_until",
    "peak_mb",
    "time",
    "version",
    "digest",
    "speed",
    "ratio_to",
    "memory",
    "hash",
    "sha",
)
"""Parts of keys whose values differ between two runs of the same code, or name the code itself."""


def command_tree() -> dict[str, list[str]]:
    """Every command with its parameters: names, types and defaults."""
    import typer
    from typer.core import TyperGroup

    from matcurate.cli.app import app

    commands: dict[str, list[str]] = {}

    def walk(command: object, name: str) -> None:
        if isinstance(command, TyperGroup):
            context = typer.Context(command)
            for child in command.list_commands(context):
                walk(command.get_command(context, child), f"{name} {child}".strip())
        commands[name] = sorted(_described(each) for each in command.params)

    walk(typer.main.get_command(app), "")
    return commands


def _described(parameter: object) -> str:
    names = "/".join([*parameter.opts, *parameter.secondary_opts])
    return f"{names} {parameter.display_type or ''} required={parameter.required} default={parameter.default!r}"


def answers() -> dict[str, object]:
    """Exit code and JSON document of every command, run one after the other."""
    documents: dict[str, object] = {}
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "CURATE_HOME": "home", "USER": "someone", "NO_COLOR": "1"}
        for number, line in enumerate(COMMANDS.strip().splitlines()):
            done = subprocess.run(
                [Path(sys.executable).with_name("curate"), *shlex.split(line)],
                cwd=folder, env=environment, capture_output=True, text=True, check=False,
            )  # fmt: skip
            document = json.loads(done.stdout) if done.stdout.strip() else None
            problem = done.stderr.strip().splitlines()[-1] if done.returncode and done.stderr.strip() else ""
            documents[f"{number:02} {line}"] = {"exit": done.returncode, "json": document, "error": problem}
            sys.stderr.write(f"{done.returncode} {line}\n")
    return documents


def differences(before: object, after: object, where: str = "") -> Iterator[str]:
    """One line for each difference between two documents."""
    key = where.rsplit("/", 1)[-1]
    if key == "at" or any(part in key for part in VOLATILE):
        return
    if isinstance(before, dict) and isinstance(after, dict):
        for name in sorted({*before, *after}):
            if name not in after or name not in before:
                yield f"{where}/{name}: only {'before' if name in before else 'after'}"
            else:
                yield from differences(before[name], after[name], f"{where}/{name}")
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for index, (one, other) in enumerate(zip(before, after, strict=True)):
            yield from differences(one, other, f"{where}[{index}]")
    elif isinstance(before, float) and isinstance(after, float):
        if not math.isclose(before, after, rel_tol=1e-6, abs_tol=1e-9):
            yield f"{where}: {before} before, {after} after"
    elif before != after:
        yield f"{where}: {before!r} before, {after!r} after"


def main() -> int:
    """Write what this version answers, or compare what two have written."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--compare", action="store_true", help="compare two files instead of writing one")
    arguments = parser.parse_args()
    if arguments.compare:
        before, after = (json.loads(path.read_text()) for path in arguments.files)
        lines = list(differences(before, after))
        print("\n".join(lines) or "no differences")
        return bool(lines)
    document = {"commands": command_tree(), "answers": answers()}
    arguments.files[0].write_text(json.dumps(document, indent=1, sort_keys=True, default=str))
    return 0


if __name__ == "__main__":
    sys.exit(main())
