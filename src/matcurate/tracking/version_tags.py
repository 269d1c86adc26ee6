"""The facts that MLflow keeps of a model version as tags, and how they are spelled there."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields

_SHA256 = re.compile(r"[0-9a-f]{64}")
_PREFIXES = {"golden_means": "golden_", "calibration": "calibration_", "measured": "measured.", "moves": "alias."}
"""Prefixes of the tags that one field collects; the rest of a tag's name is the key."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Origin of a model version; without it none is registered.

    ``snapshot``, ``base_sha256`` and ``settings_sha256`` are hex SHA-256 digests of the snapshot it was trained on, of
    its backbone's weights, and of all settings of the training; ``lab`` trained it.
    """

    snapshot: str
    base: str
    base_sha256: str
    settings_sha256: str
    lab: str

    def __post_init__(self) -> None:
        for name in ("snapshot", "base_sha256", "settings_sha256"):
            if not _SHA256.fullmatch(getattr(self, name)):
                raise ValueError(f"{name} must be a hex SHA-256, got {getattr(self, name)!r}")
        if not self.base or not self.lab:
            raise ValueError("a model version needs the names of its base and its lab")


@dataclass(frozen=True, slots=True)
class VersionTags:
    """Facts of a model version, named as MLflow stores them; None or empty where nobody recorded one.

    ``family`` is the kind of model, lora where it is missing; ``golden`` is the digest of the golden set behind
    ``golden_means`` (to four digits, as are ``calibration``'s); ``measured`` holds JSON by the digest of a golden set,
    ``moves`` JSON of the last move of each alias.
    """

    lab: str | None = None
    family: str | None = None
    snapshot: str | None = None
    base: str | None = None
    base_sha256: str | None = None
    settings_sha256: str | None = None
    folder: str | None = None
    start: str | None = None
    promotion: str | None = None
    promoted: str | None = None
    job: str | None = None
    imported_from: str | None = None
    imported_by: str | None = None
    imported_at: str | None = None
    original_name: str | None = None
    original_run: str | None = None
    adapter_sha256: str | None = None
    export_sha256: str | None = None
    golden: str | None = None
    golden_means: Mapping[str, str] = field(default_factory=dict)
    calibration: Mapping[str, str] = field(default_factory=dict)
    measured: Mapping[str, str] = field(default_factory=dict)
    moves: Mapping[str, str] = field(default_factory=dict)
    other: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, stored: Mapping[str, str]) -> VersionTags:
        """Sort MLflow's tags into fields; those that nobody here writes are in ``other``.

        >>> VersionTags.read({"lab": "north", "calibration_ece": "0.031"}).calibration
        {'ece': '0.031'}
        """
        plain: dict[str, str] = {}
        groups: dict[str, dict[str, str]] = {name: {} for name in (*_PREFIXES, "other")}
        for key, value in stored.items():
            group = next((name for name, prefix in _PREFIXES.items() if key.startswith(prefix)), None)
            if group is not None:
                groups[group][key.removeprefix(_PREFIXES[group])] = value
            elif key in _PLAIN:
                plain[key] = value
            else:
                groups["other"][key] = value
        return cls(**plain, **groups)  # type: ignore[arg-type]  # names and values of two kinds

    def stored(self) -> dict[str, str]:
        """Return the tags as MLflow stores them; :meth:`read` gives the same facts back."""
        tags = {name: value for name in _PLAIN if (value := getattr(self, name)) is not None}
        for name, prefix in _PREFIXES.items():
            tags |= {f"{prefix}{key}": value for key, value in getattr(self, name).items()}
        return tags | dict(self.other)


_PLAIN = tuple(each.name for each in fields(VersionTags) if each.name not in (*_PREFIXES, "other"))

NO_TAGS = VersionTags()
