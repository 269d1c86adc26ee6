"""Commands that only look into a home import none of the libraries that take seconds."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from matcurate.cli.app import MODULE_OF, PANELS, run

SLOW = {
    *("torch", "torchvision", "timm", "peft", "transformers", "mlflow", "pandas", "sklearn", "skimage", "scipy"),
    *("cv2", "higra", "matplotlib", "label_studio_sdk", "alembic", "httpx", "jinja2", "uvicorn", "fastapi"),
}
PROGRAM = """
import json, sys
from matcurate.cli.app import run
code = run(sys.argv[1:])
print(json.dumps([code, sorted({name.split(".")[0] for name in sys.modules})]), file=sys.stderr)
"""


def imported(*arguments: str) -> set[str]:
    """Top-level modules of a process that has run a command."""
    done = subprocess.run([sys.executable, "-c", PROGRAM, *arguments], capture_output=True, text=True, check=True)
    code, modules = json.loads(done.stderr.splitlines()[-1])
    assert code == 0, done.stderr
    return set(modules)


@pytest.mark.parametrize(
    "command", ["jobs", "jobs list", "models list", "report", "retrain --dry-run", "schedule", "classes --help"]
)
def test_looking_into_an_empty_home_imports_nothing_slow(command: str, tmp_path: Path) -> None:
    home = str(tmp_path / "home")
    assert run(["--home", home, "init"]) == 0
    assert not imported("--home", home, *command.split()) & SLOW


def test_a_home_is_made_with_migrations_and_nothing_else_slow(tmp_path: Path) -> None:
    home = str(tmp_path / "home")
    assert imported("--home", home, "init") & SLOW == {"alembic"}
    assert not imported("--home", home, "init") & SLOW


def test_help_lists_every_command_in_its_panel_and_reads_no_settings(capsys: pytest.CaptureFixture[str]) -> None:
    assert not imported("--help") & {*SLOW, "numpy", "pydantic", "sqlalchemy"}
    assert run(["--help"]) == 0
    text = capsys.readouterr().out
    titles = [text.index(f"─ {panel} ─") for panel in PANELS]
    assert titles == sorted(titles)
    for place, names in zip(titles, PANELS.values(), strict=True):
        rows = text[place:].split("╰")[0].splitlines()[1:]
        assert [row.split()[1] for row in rows if row.startswith("│ ") and row[2] != " "] == list(names)


def test_every_module_of_the_table_is_there() -> None:
    folder = Path(sys.modules["matcurate.cli.app"].__file__ or "").parent
    assert {f"{module}.py" for module in MODULE_OF.values()} <= {path.name for path in folder.glob("*.py")}


def test_an_unknown_command_is_answered_with_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["presegmnt"]) == 2
    assert "Did you mean 'presegment'" in capsys.readouterr().err
