"""matcurate: active-learning data curation for materials micrographs."""

from importlib.metadata import version

__version__ = version("matcurate")
