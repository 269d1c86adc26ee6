"""Model versions of a project in MLflow's registry, and the aliases that say which of them serves."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from mlflow.entities import Run
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException

from matcurate.errors import TrackingError
from matcurate.tracking.store import open_client, translated
from matcurate.tracking.version_tags import NO_TAGS, VersionTags
from matcurate.tracking.version_tags import Origin as Origin  # registering a version takes one

CHAMPION, CHALLENGER = "champion", "challenger"
_HISTORY = "alias_change."


@dataclass(frozen=True, slots=True)
class RegisteredVersion:
    """A version of a project's model."""

    model: str
    version: int
    run_id: str
    created_at: datetime
    aliases: tuple[str, ...] = ()
    tags: VersionTags = NO_TAGS

    @property
    def name(self) -> str:
        """The one version string, for predictions and for Label Studio."""
        return f"{self.model}-v{self.version}"


@dataclass(frozen=True, slots=True)
class AliasMove:
    """An alias that goes to a version, from the one it had; ``version`` None: it is taken away."""

    alias: str
    version: int | None
    previous: int | None
    who: str
    why: str
    at: datetime

    def __post_init__(self) -> None:
        if not self.who.strip() or not self.why.strip():
            raise ValueError(f"alias {self.alias!r} is not moved without who and why")


class Registry:
    """The registered model of one project, in a server (``http(s)://``) or a local store such as ``sqlite:///…``."""

    def __init__(self, tracking_uri: str, project: str) -> None:
        self.uri = tracking_uri
        self.model = model_name(project)
        with translated(tracking_uri, "to open"):
            self._client = open_client(tracking_uri)

    def register(self, run_id: str, folder: str, origin: Origin, tags: VersionTags = NO_TAGS) -> int:
        """Make a version from the files that a finished run keeps in ``folder``. Doing it again gives the same one.

        Raises TrackingError when the run has not finished or keeps nothing there, or MLflow does not answer.
        """
        with translated(self.uri, f"a version from run {run_id}"):
            run: Run = self._client.get_run(run_id)
            if run.info.status != "FINISHED":
                raise TrackingError(f"run {run_id} is {run.info.status}, not FINISHED; register what has ended well")
            if not self._client.list_artifacts(run_id, folder):
                raise TrackingError(f"run {run_id} keeps no files in {folder!r}; log them before registering")
            registered = [version.version for version in self.versions() if version.run_id == run_id]
            if registered:
                return registered[0]
            self._ensure_model()
            values = replace(tags, **asdict(origin), folder=folder).stored()
            source = f"{run.info.artifact_uri}/{folder}"
            made = self._client.create_model_version(self.model, source, run_id, tags=values)
            return int(made.version)

    def versions(self) -> list[RegisteredVersion]:
        """All versions, newest first; none when nothing was ever registered."""
        with translated(self.uri, f"the versions of {self.model!r}"):
            versions = self._client.search_model_versions(f"name='{_quoted(self.model)}'")
            aliases = self._aliases()
            return sorted((_record(version, aliases) for version in versions), key=lambda version: -version.version)

    def version(self, number: int) -> RegisteredVersion:
        """Return one version. Raises TrackingError when there is none of that number."""
        match = next((version for version in self.versions() if version.version == number), None)
        if match is None:
            raise TrackingError(f"{self.model!r} has no version {number}; 'curate models list' shows them")
        return match

    def by_alias(self, alias: str) -> RegisteredVersion | None:
        """Return the version an alias stands for, None when it stands for none."""
        return next((version for version in self.versions() if alias in version.aliases), None)

    def move_alias(self, move: AliasMove) -> None:
        """Let an alias stand for another version (or none), and write down there who did it, when and why.

        The registered model's tags keep every move (``alias_change.MOMENT.ALIAS``), the version's own tags its last
        one (``alias.ALIAS``).
        """
        record = json.dumps({**asdict(move), "at": move.at.isoformat()}, ensure_ascii=False)
        with translated(self.uri, f"alias {move.alias!r}"):
            key = f"{_HISTORY}{move.at.astimezone(UTC):%Y%m%dT%H%M%S.%fZ}.{move.alias}"
            self._client.set_registered_model_tag(self.model, key, record)
            try:
                self._point(move.alias, move.version)
            except MlflowException:
                self._client.delete_registered_model_tag(self.model, key)  # it did not happen
                raise
            if move.version is not None:
                self._client.set_model_version_tag(self.model, str(move.version), f"alias.{move.alias}", record)

    def add_tags(self, version: int, tags: VersionTags) -> None:
        """Add tags to a version; one of the same name is replaced.

        Raises TrackingError when there is no such version, or MLflow does not answer.
        """
        with translated(self.uri, f"tags of version {version} of {self.model!r}"):
            for key, value in tags.stored().items():
                self._client.set_model_version_tag(self.model, str(version), key, value)

    def history(self) -> list[AliasMove]:
        """Every move of an alias that MLflow knows of, oldest first."""
        with translated(self.uri, f"the history of {self.model!r}"):
            tags = self._client.get_registered_model(self.model).tags
        moves = [json.loads(value) for key, value in sorted(tags.items()) if key.startswith(_HISTORY)]
        return [AliasMove(**{**move, "at": datetime.fromisoformat(move["at"])}) for move in moves]

    def download(self, version: RegisteredVersion, target: Path) -> Path:
        """Fetch a version's files into ``target``; returns the folder that holds them."""
        if version.tags.folder is None:
            raise TrackingError(f"{version.name} does not say where its files are; register its run again")
        target.mkdir(parents=True, exist_ok=True)
        with translated(self.uri, f"the files of {version.name}"):
            return Path(self._client.download_artifacts(version.run_id, version.tags.folder, str(target)))

    def _point(self, alias: str, version: int | None) -> None:
        if version is None:
            self._client.delete_registered_model_alias(self.model, alias)
        else:
            self._client.set_registered_model_alias(self.model, alias, str(version))

    def _ensure_model(self) -> None:
        try:
            self._client.create_registered_model(self.model)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise

    def _aliases(self) -> dict[int, tuple[str, ...]]:
        models = self._client.search_registered_models(f"name='{_quoted(self.model)}'")
        names_of: dict[int, list[str]] = {}
        for alias, version in (models[0].aliases if models else {}).items():
            names_of.setdefault(int(version), []).append(alias)
        return {version: tuple(sorted(names)) for version, names in names_of.items()}


def model_name(project: str) -> str:
    """Name of a project's registered model: ``/`` and ``:``, which MLflow refuses, are written as in addresses."""
    return project.replace("%", "%25").replace("/", "%2F").replace(":", "%3A")


def champion_alias(lab: str | None) -> str:
    """``champion``, or that of a lab. MLflow's aliases have letters, digits, ``_`` and ``-`` only.

    A lab whose name has others gets eight digits of a hash, so that no two labs share one.
    """
    if lab is None:
        return CHAMPION
    plain = re.sub(r"[^A-Za-z0-9_-]", "-", lab)
    return (
        f"{CHAMPION}-{plain}" if plain == lab else f"{CHAMPION}-{plain}-{hashlib.sha256(lab.encode()).hexdigest()[:8]}"
    )


def _quoted(name: str) -> str:
    if "'" in name:
        raise TrackingError(f"MLflow cannot search for {name!r}; create a project without ' in its name")
    return name


def _record(version: ModelVersion, aliases: Mapping[int, tuple[str, ...]]) -> RegisteredVersion:
    number = int(version.version)
    moment = datetime.fromtimestamp(version.creation_timestamp / 1000, UTC)
    return RegisteredVersion(
        str(version.name), number, str(version.run_id), moment, aliases.get(number, ()), VersionTags.read(version.tags)
    )
