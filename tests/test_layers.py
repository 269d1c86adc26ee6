"""The arrows of the architecture (CONTRIBUTING.md, "The house"): nobody imports what they may not know."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = {
    "matcurate": ROOT / "src" / "matcurate",
    "matcurate_backend": ROOT / "backend" / "matcurate_backend",
}

FOUNDATION = {"types", "config", "errors", "files", "tensorfile", ""}
ADAPTERS = {"catalog", "labelstudio", "tracking"}
SCIENCE = {"imaging", "promptable", "segmentation", "phase", "uncertainty", "acquisition", "morphology"}
ENTRY_POINTS = {"cli", "worker", "backend"}

ALLOWED: dict[str, set[str]] = {
    **{name: {"workflows"} for name in ENTRY_POINTS},
    "cli": {"workflows", "pretraining"},
    "workflows": ADAPTERS | SCIENCE,
    "pretraining": SCIENCE,
    **{name: set() for name in ADAPTERS},
    "segmentation": {"promptable", "imaging"},
    "phase": {"promptable", "imaging"},
    "promptable": {"imaging"},
    "morphology": {"imaging"},
    "imaging": set(),
    "uncertainty": set(),
    "acquisition": set(),
    "types": set(),
    "config": set(),
    "errors": set(),
    "files": set(),
    "tensorfile": set(),
    "": set(),
}

FORBIDDEN_LIBRARIES = {
    **{part: {"fastapi", "sqlmodel", "sqlalchemy", "mlflow", "typer", "label_studio_sdk"} for part in SCIENCE},
    "catalog": {"torch", "mlflow", "label_studio_sdk", "fastapi", "typer"},
    "labelstudio": {"torch", "mlflow", "sqlmodel", "sqlalchemy", "fastapi", "typer"},
    "tracking": {"label_studio_sdk", "sqlmodel", "sqlalchemy", "fastapi", "typer"},
    "workflows": {"fastapi", "typer"},
}


def modules() -> list[tuple[str, Path]]:
    found = []
    for package, folder in PACKAGES.items():
        for path in sorted(folder.rglob("*.py")):
            parts = path.relative_to(folder).with_suffix("").parts
            part = "backend" if package == "matcurate_backend" else parts[0] if parts != ("__init__",) else ""
            found.append((part, path))
    return found


def imports(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import; write the whole name"
            if node.module == "matcurate":
                names |= {f"matcurate.{alias.name}" for alias in node.names}
            else:
                names.add(node.module or "")
    return names


def part_of(name: str) -> str | None:
    head, *rest = name.split(".")
    if head == "matcurate_backend":
        return "backend"
    if head != "matcurate":
        return None
    return "" if not rest or rest[0] == "__version__" else rest[0]


@pytest.mark.parametrize(("part", "path"), modules(), ids=lambda value: str(value).replace(str(ROOT), ""))
def test_imports_follow_the_arrows(part: str, path: Path) -> None:
    assert part in ALLOWED, f"{path}: {part!r} has no place in the plan"
    for name in imports(path):
        target = part_of(name)
        if target is not None and target != part:
            assert target in ALLOWED[part] | FOUNDATION, f"{path} imports {name}: {part} may not know {target}"
        library = name.split(".")[0]
        assert library not in FORBIDDEN_LIBRARIES.get(part, set()), f"{path} imports {library}"


def test_the_walk_sees_every_kind_of_import(tmp_path: Path) -> None:
    source = "import torch.nn as nn\nfrom matcurate import catalog\ndef f():\n    from matcurate.cli import app\n"
    (tmp_path / "m.py").write_text(source)
    assert imports(tmp_path / "m.py") == {"torch.nn", "matcurate.catalog", "matcurate.cli"}
    assert [part_of(name) for name in ("matcurate.cli.app", "matcurate_backend.app", "torch")] == [
        "cli",
        "backend",
        None,
    ]


def test_mlflow_folder_does_not_shadow_the_library() -> None:
    assert not list((ROOT / "mlflow").rglob("*.py"))


def test_no_module_has_a_name_that_says_nothing() -> None:
    empty_names = {"utils", "helpers", "common", "misc", "manager"}
    assert not [path for _, path in modules() if path.stem in empty_names]
