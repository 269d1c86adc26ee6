"""Describe a model version's folder for ``mlflow models serve`` and ``mlflow.pyfunc.load_model``.

Our own loader is named by its module and imported where the model is served: nothing is pickled, so that loading a
version runs no code but what is installed.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Literal

from mlflow.types.schema import Array, ColSpec, DataType, Schema

Kind = Literal["string", "number", "strings", "numbers"]
DISTRIBUTION = "matcurate"


@dataclass(frozen=True, slots=True)
class Column:
    """A named value that a served model takes, or answers."""

    name: str
    kind: Kind
    required: bool = True


def write_pyfunc(folder: Path, loader: str, takes: Sequence[Column], answers: Sequence[Column]) -> None:
    """Write MLflow's description of a model into a new folder; what the loader reads is put beside it afterwards.

    ``loader`` is a module with ``_load_pyfunc(folder)``, which returns an object with ``predict``; ``takes`` and
    ``answers`` are its signature.
    """
    import mlflow.pyfunc  # takes seconds, which commands that register nothing need not pay
    from mlflow.models import ModelSignature

    with warnings.catch_warnings():
        # An input example would be predicted here and now, only to be stored.
        warnings.filterwarnings("ignore", message=".*input example", category=UserWarning)
        mlflow.pyfunc.save_model(
            folder,
            loader_module=loader,
            pip_requirements=installed_requirements(),
            signature=ModelSignature(_schema(takes), _schema(answers)),
        )


def installed_requirements() -> list[str]:
    """Name this package and everything it requires, each at the version that is installed, in pip's words."""
    named = [re.split(r"[\s<>=!~;\[(]", line)[0] for line in requires(DISTRIBUTION) or [] if "extra ==" not in line]
    return [f"{name}=={installed}" for name in [DISTRIBUTION, *named] if (installed := _installed(name)) is not None]


def _installed(name: str) -> str | None:
    """Version without what a builder adds behind ``+``, which no index knows."""
    try:
        return version(name).partition("+")[0]
    except PackageNotFoundError:
        return None


def _schema(columns: Sequence[Column]) -> Schema:
    kinds: dict[Kind, DataType | Array] = {
        "string": DataType.string,
        "number": DataType.double,
        "strings": Array(DataType.string),
        "numbers": Array(DataType.double),
    }
    return Schema([ColSpec(kinds[column.kind], column.name, required=column.required) for column in columns])
