"""Versions registered before 2026-12 name this module as their loader; MLflow imports it by that name."""

from matcurate.workflows.versions.served_model import _load_pyfunc as _load_pyfunc
