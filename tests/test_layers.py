"""The arrows of the architecture (CONTRIBUTING.md, "The house"): nobody imports what they may not know.

Every import counts: those at the top of a file, those within functions, and those for the type checker only.
"""

import ast
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = {
    "matcurate": ROOT / "src" / "matcurate",
    "matcurate_backend": ROOT / "backend" / "matcurate_backend",
}

FOUNDATION = {"types", "config", "errors", "files", "tensorfile", ""}
ADAPTERS = {"catalog", "labelstudio", "tracking"}
SCIENCE = {"imaging", "promptable", "segmentation", "phase", "uncertainty", "acquisition", "morphology", "learned"}
WORKFLOWS = {
    f"workflows.{room}"
    for room in (
        *("home", "ingest", "presegment", "labelling", "snapshots", "training", "evaluation", "versions", "ranking"),
        *("classes", "iterate", "exchange", "reporting"),
    )
}
PRODUCT = SCIENCE | ADAPTERS | WORKFLOWS | {"workflows", "plain", "jobs", "services"}

ALLOWED: dict[str, set[str]] = {
    **{name: set() for name in FOUNDATION | ADAPTERS},
    "imaging": set(),
    "uncertainty": set(),
    "acquisition": set(),
    "morphology": {"imaging"},
    "promptable": {"imaging"},
    "segmentation": {"promptable", "imaging"},
    "phase": {"promptable", "imaging"},
    "learned": SCIENCE - {"morphology"},
    **{name: SCIENCE | ADAPTERS | WORKFLOWS for name in WORKFLOWS},
    "workflows.home": SCIENCE | ADAPTERS,
    "workflows": {"workflows.versions"},
    "plain": SCIENCE,
    "jobs": WORKFLOWS | {"catalog"},
    "services": WORKFLOWS,
    "pretraining": PRODUCT - {"jobs", "services"},
    "bench": PRODUCT - {"jobs", "services"},
    "demo": PRODUCT,
    "backend": WORKFLOWS | {"jobs", "plain"},
    "cli": WORKFLOWS | {"jobs", "plain", "services", "bench", "pretraining", "demo"},
}
"""What each room may import, beside itself and the foundation. Between the workflows every arrow is allowed that
closes no circle."""

FORBIDDEN_LIBRARIES = {
    **{room: {"fastapi", "sqlmodel", "sqlalchemy", "mlflow", "typer", "label_studio_sdk"} for room in SCIENCE},
    "catalog": {"torch", "mlflow", "label_studio_sdk", "fastapi", "typer"},
    "labelstudio": {"torch", "mlflow", "sqlmodel", "sqlalchemy", "fastapi", "typer"},
    "tracking": {"label_studio_sdk", "sqlmodel", "sqlalchemy", "fastapi", "typer"},
    **{room: {"fastapi", "typer"} for room in WORKFLOWS | {"plain", "jobs", "services", "bench", "demo"}},
}


def room_of(name: str) -> str | None:
    """The room that a module is in, by its full name; None for what is not ours."""
    head, *rest = name.split(".")
    if head == "matcurate_backend":
        return "backend"
    if head != "matcurate":
        return None
    if not rest or rest[0] == "__version__":
        return ""
    if rest[0] == "workflows" and f"workflows.{rest[1] if len(rest) > 1 else ''}" in WORKFLOWS:
        return f"workflows.{rest[1]}"
    return rest[0]


def modules() -> list[tuple[str, Path]]:
    """Every file of the project with its room."""
    pairs = []
    for package, folder in PACKAGES.items():
        for path in sorted([*folder.rglob("*.py"), *folder.rglob("*.pyi")]):
            parts = path.relative_to(folder).with_suffix("").parts
            room = room_of(".".join([package, *(part for part in parts if part != "__init__")]))
            assert room is not None
            pairs.append((room, path))
    return pairs


def package_of(path: Path) -> str:
    """The package that a file of ours is in; empty for others."""
    for package, folder in PACKAGES.items():
        if folder in path.parents:
            return ".".join([package, *path.parent.relative_to(folder).parts])
    return ""


def imports(path: Path) -> set[str]:
    """Names of the modules that a file imports, wherever in it; ``from X import y`` names X.y too."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0 or path.suffix == ".pyi", f"{path}: relative import; write the whole name"
            module = node.module or ""
            if node.level:
                parents = package_of(path).split(".")
                module = ".".join([*parents[: len(parents) + 1 - node.level], *filter(None, [module])])
            names |= {f"{module}.{alias.name}" for alias in node.names} if "matcurate" in module else {module}
    return names


def arrows() -> Iterator[tuple[str, str, Path]]:
    """Every arrow between two rooms with the file that draws it."""
    for room, path in modules():
        for name in imports(path):
            target = room_of(name)
            if target is not None and target != room:
                yield room, target, path


@pytest.mark.parametrize(("room", "path"), modules(), ids=lambda value: str(value).replace(str(ROOT), ""))
def test_imports_follow_the_arrows(room: str, path: Path) -> None:
    assert room in ALLOWED, f"{path}: {room!r} has no place in the plan"
    for name in imports(path):
        target = room_of(name)
        if target is not None and target != room:
            assert target in ALLOWED[room] | FOUNDATION, f"{path} imports {name}: {room} may not know {target}"
        library = name.split(".")[0]
        assert library not in FORBIDDEN_LIBRARIES.get(room, set()), f"{path} imports {library}"


def test_no_circle_between_the_rooms() -> None:
    graph: dict[str, set[str]] = {}
    for room, target, _ in arrows():
        graph.setdefault(room, set()).add(target)
    circle: list[str] = []
    try:
        tuple(TopologicalSorter(graph).static_order())
    except CycleError as error:
        circle = error.args[1]
    pairs = set(pairwise(circle))
    files = [str(path) for room, target, path in arrows() if (target, room) in pairs]
    assert not circle, f"circle {' -> '.join(circle)}: {', '.join(files)}"


def test_nothing_of_the_product_imports_research() -> None:
    research = {"bench", "pretraining", "demo"}
    assert not {(room, target) for room, target, _ in arrows() if target in research and room != "cli"}


def test_the_walk_sees_every_kind_of_import(tmp_path: Path) -> None:
    source = (
        "import torch.nn as nn\nfrom matcurate import catalog\nfrom typing import TYPE_CHECKING\n"
        "def f():\n    from matcurate.cli import app\n"
        "if TYPE_CHECKING:\n    from matcurate.workflows.ranking import rank\n"
    )
    (tmp_path / "m.py").write_text(source)
    names = imports(tmp_path / "m.py")
    assert names == {"torch.nn", "matcurate.catalog", "typing", "matcurate.cli.app", "matcurate.workflows.ranking.rank"}
    rooms = [room_of(name) for name in ("matcurate.cli.app", "matcurate_backend.app", "torch", "matcurate.catalog")]
    assert rooms == ["cli", "backend", None, "catalog"]
    assert room_of("matcurate.workflows.ranking.rank") == "workflows.ranking"


def test_faces_name_what_their_own_modules_hold() -> None:
    faces = [path for room, path in modules() if path.name == "__init__.pyi"]
    assert {room_of(package_of(face)) for face in faces} >= WORKFLOWS
    for face in faces:
        for node in ast.parse(face.read_text()).body:
            if isinstance(node, ast.ImportFrom):
                assert node.level == 1, f"{face}: a face names its own modules only"
                assert not {alias.name for alias in node.names} & {path.stem for path in face.parent.glob("*.py")}, face
        assert "lazy_loader.attach_stub(__name__, __file__)" in face.with_suffix(".py").read_text()
        assert imports(face) and {room_of(name) for name in imports(face)} == {room_of(package_of(face))}, face


def test_mlflow_folder_does_not_shadow_the_library() -> None:
    assert not list((ROOT / "mlflow").rglob("*.py"))


def test_no_module_has_a_name_that_says_nothing() -> None:
    empty_names = {"utils", "helpers", "common", "misc", "manager"}
    assert not [path for _, path in modules() if path.stem in empty_names]
