"""Domain errors. Every message says what failed, on which file or part, and the remedy.

They become exit codes in :mod:`matcurate.cli.app` and HTTP codes in the backend, in one place each.
"""

from __future__ import annotations


class CurateError(Exception):
    """Something could not be done; the message is one line for the user."""


class UnreadableImageError(CurateError):
    """A file is not a micrograph we can read, or not one we should (too large, not finite)."""


class DatasetError(CurateError):
    """A dataset folder does not follow the documented layout."""


class ConfigError(CurateError):
    """A setting, preset or project is missing or malformed."""


class CheckpointError(CurateError):
    """A backbone's weights are missing, damaged or could not be fetched."""


class TrainingError(CurateError):
    """A training cannot go on."""


class CatalogError(CurateError):
    """The catalog cannot answer: unknown project, micrograph or model version."""


class LabelStudioError(CurateError):
    """Label Studio refused, failed, or stored something else than it was sent."""


class LabelStudioUnreachableError(LabelStudioError):
    """No Label Studio answers at the address."""


class LabelStudioAuthError(LabelStudioError):
    """Label Studio does not accept the token."""


class LabelStudioNotFoundError(LabelStudioError):
    """The project, task or annotation does not exist (any more)."""


class AnnotationError(LabelStudioError):
    """An annotation cannot be decoded: unknown label, size mismatch, damaged region."""


class ServiceError(CurateError):
    """A service started by ``curate up`` did not come up."""


class TrackingError(CurateError):
    """The MLflow store does not answer or refuses."""
