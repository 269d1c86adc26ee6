"""Settings of an installation (``CURATE_*`` and ``HOME/config.yaml``) and preset files in ``configs/``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    YamlConfigSettingsSource,
)

from matcurate.errors import ConfigError

Polarity = Literal["auto", "bright", "dark"]
NetworkName = Literal["alexnet", "mobilenet_v3_small", "resnet18", "resnet34", "resnet50"]
"""Classifiers of torchvision that can be fine-tuned on microstructure classes."""
M = TypeVar("M", bound=BaseModel)


class Strict(BaseModel):
    """A frozen model that refuses unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class LabelStudioSettings(Strict):
    """Where the lab's Label Studio is, and which of its projects is ours."""

    url: str | None = None
    token_file: Path | None = None
    project_id: int | None = None


class BackendSettings(Strict):
    """The ML backend's address and the credentials Label Studio must present."""

    host: str = "127.0.0.1"
    port: int = Field(default=9090, ge=0, le=65535)
    username: str | None = None
    password: SecretStr | None = None
    webhook_secret: SecretStr | None = None


class PromotionSettings(Strict):
    """When a challenger takes the place of what pre-segments now; both are measured on the golden set."""

    policy: Literal["auto", "manual"] = Field(default="auto", description="manual: only 'curate models promote' does.")
    confidence: float = Field(default=0.95, gt=0, lt=1, description="Of the interval of the difference in Dice.")
    dice_loss: float = Field(
        default=0.02, ge=0, le=1, description="Largest mean loss of Dice that is let pass, be it significant or not."
    )
    fraction_tolerance: float = Field(
        default=0.01, ge=0, le=1, description="Largest rise of the mean error of the area fractions."
    )
    max_ece: float | None = Field(
        default=None, ge=0, le=1, description="Largest expected calibration error of its probabilities; None: any."
    )
    min_error_auroc: float | None = Field(
        default=None, ge=0, le=1, description="At least so well must vacuity find its errors (AUROC); None: any."
    )


class RetrainSettings(Strict):
    """What calls for a training, how corrections are parted for it, what is trained, and what becomes of it."""

    min_corrections: int = Field(default=4, ge=1, description="Fewer usable ones are never trained on.")
    new_corrections: int = Field(default=20, ge=1, description="So many new ones call for a training.")
    effort_window: int = Field(default=10, ge=1, description="Newest corrections compared with earlier ones.")
    effort_rise: float = Field(default=0.25, ge=0, allow_inf_nan=False, description="Relative rise that calls for one.")
    effort_floor: float = Field(default=0.01, ge=0, le=1, description="Share of pixels it must rise by at least.")
    max_age_days: float | None = Field(default=30.0, gt=0, allow_inf_nan=False, description="None: age never does.")
    validation_share: float = Field(default=0.2, ge=0, lt=1, description="Of the specimens, for validation.")
    backbone: str = Field(default="builtin", description="What is adapted: builtin, vit_b, vit_l or vit_h.")
    preset: str | None = Field(
        default=None, description="In configs/phase, or a YAML file. Default: builtin, or sam for an official SAM."
    )
    promotion: PromotionSettings = PromotionSettings()


class RankSettings(Strict):
    """What 'curate rank' does unless it is told otherwise."""

    strategy: str | None = Field(
        default=None, description="Of the registry in acquisition. None: by evidence where the model has it."
    )
    count: int = Field(default=10, ge=1, description="Micrographs in a batch.")
    lease_hours: float = Field(
        default=24.0, gt=0, allow_inf_nan=False, description="Nobody else is given them so long."
    )
    seed: int = Field(default=0, ge=0)
    quota: int | None = Field(default=None, ge=1, description="Of one specimen in a batch at most.")


class NetworkSettings(Strict):
    """How a torchvision classifier is fine-tuned whole on crops."""

    weights: str = Field(
        default="imagenet",
        min_length=1,
        description="imagenet: torchvision's, from the store of checkpoints. none: drawn at random. Or a .pth file.",
    )
    epochs: int = Field(default=20, ge=1)
    batch: int = Field(default=32, ge=2)
    learning_rate: float = Field(default=0.001, gt=0, allow_inf_nan=False)


class ClassSettings(Strict):
    """How microstructure classes are learned from named micrographs, and when one may be new."""

    model: Literal["head"] | NetworkName = Field(
        default="head",
        description="head: on the backbone's embeddings. Else a torchvision classifier, fine-tuned whole.",
    )
    network: NetworkSettings = NetworkSettings()
    crop: int = Field(default=128, ge=32, description="Edge of a crop in pixels.")
    per_edge: int = Field(default=4, ge=1, le=32, description="Crops along an edge of a region or box, at most.")
    regions: bool = Field(
        default=False,
        description="Part micrographs into regions of one texture: no crop lies across a border, each region is asked.",
    )
    retraining: Literal["afresh", "onward", "off"] = Field(
        default="afresh",
        description="After a name has appended an output, all other weights bit for bit. afresh: all is fitted again "
        "to old and new crops. onward: all outputs train on. off: the named class's output alone has learned.",
    )
    quantile: float = Field(
        default=0.8, gt=0, lt=1, description="Of vacuity of known crops, held out; a median above it may be new."
    )


class ReportSettings(Strict):
    """When 'curate report' says "stop": both must hold."""

    half_width: float = Field(
        default=0.02, gt=0, le=0.5, description="Every phase's area fraction is known to this, plus or minus."
    )
    least_gain: float = Field(
        default=0.005, ge=0, le=1, description="Another round should bring less Dice than this on the golden set."
    )
    confidence: float = Field(default=0.95, gt=0, lt=1, description="Of the intervals.")


class WorkerSettings(Strict):
    """The job queue, and how long it waits for corrections to stop coming."""

    queue_url: str | None = Field(
        default=None, description="redis://… or postgresql://… for several machines. Default: SQLite in HOME."
    )
    workers: int = Field(default=1, ge=1, le=64, description="Jobs at the same time in one worker.")
    quiet_seconds: float = Field(default=120.0, ge=0, allow_inf_nan=False, description="After the last correction.")
    longest_wait_seconds: float = Field(default=1800.0, ge=0, allow_inf_nan=False, description="After the first one.")


class Settings(BaseSettings):
    """Everything an installation can set. Environment over file over default.

    Nested values are reached with a double underscore: ``CURATE_LABEL_STUDIO__URL``.
    """

    model_config = SettingsConfigDict(
        env_prefix="CURATE_", env_nested_delimiter="__", extra="forbid", frozen=True, env_ignore_empty=True
    )

    home: Path = Path(".curate")
    project: str = "default"
    lab: str = Field(default="local", min_length=1, description="Who trains here; every model version names it.")
    database_url: str | None = Field(default=None, description="Default: SQLite in HOME/catalog.db.")
    objects_url: str | None = Field(default=None, description="Any fsspec URL. Default: HOME/objects.")
    tracking_uri: str | None = Field(
        default=None, description="MLflow: http(s)://SERVER, or a local store. Default: SQLite in HOME/mlflow."
    )
    cache_dir: Path | None = Field(default=None, description="Checkpoints and embeddings. Default: HOME/cache.")
    cache_gib: float = Field(default=10.0, gt=0, description="Bound of the embedding cache.")
    backbone: str = "auto"
    preset: str = "phases"
    pre_segmentation: Literal["champion", "matsam"] = Field(
        default="champion", description="champion: MatSAM until there is one. matsam: always MatSAM."
    )
    max_megapixels: float = Field(default=400.0, gt=0, description="Larger images are refused before decoding.")
    label_studio: LabelStudioSettings = LabelStudioSettings()
    backend: BackendSettings = BackendSettings()
    retrain: RetrainSettings = RetrainSettings()
    rank: RankSettings = RankSettings()
    report: ReportSettings = ReportSettings()
    classes: ClassSettings = ClassSettings()
    worker: WorkerSettings = WorkerSettings()

    @property
    def resolved_database_url(self) -> str:
        """Catalog URL, SQLite in the home by default."""
        return self.database_url or f"sqlite:///{(self.home / 'catalog.db').absolute()}"

    @property
    def resolved_objects_url(self) -> str:
        """Object store URL, a folder in the home by default."""
        return self.objects_url or str((self.home / "objects").absolute())

    @property
    def resolved_tracking_uri(self) -> str:
        """MLflow store with runs and model versions, SQLite in the home by default."""
        return self.tracking_uri or f"sqlite:///{(self.home / 'mlflow' / 'mlflow.db').absolute()}"

    @property
    def resolved_cache_dir(self) -> Path:
        """Folder of checkpoints and embeddings."""
        return self.cache_dir or self.home / "cache"


def load_settings(home: Path | None = None) -> Settings:
    """Settings of ``home``, else of ``$CURATE_HOME``, else of ``./.curate``.

    Raises
    ------
    ConfigError
        When ``config.yaml`` or the environment holds an unknown key or a bad value.
    """
    root = home or Path(os.environ.get("CURATE_HOME") or ".curate")
    config_file = root / "config.yaml"

    class HomeSettings(Settings):
        @classmethod
        def settings_customise_sources(
            cls,
            settings_cls: type[BaseSettings],
            init_settings: PydanticBaseSettingsSource,
            env_settings: PydanticBaseSettingsSource,
            dotenv_settings: PydanticBaseSettingsSource,
            file_secret_settings: PydanticBaseSettingsSource,
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            return init_settings, env_settings, YamlConfigSettingsSource(settings_cls, yaml_file=config_file)

    try:
        return HomeSettings(home=root)
    except ValidationError as error:
        raise ConfigError(f"{config_file} or CURATE_* variables: {first_problem(error)}") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{config_file} is not valid YAML ({str(error).splitlines()[0]}); mend it") from error


def save_settings(home: Path, changes: dict[str, object]) -> None:
    """Merge ``changes`` into ``HOME/config.yaml`` (nested dictionaries are merged one level deep)."""
    home.mkdir(parents=True, exist_ok=True)
    config_file = home / "config.yaml"
    current = yaml.safe_load(config_file.read_text()) if config_file.exists() else None
    merged: dict[str, object] = dict(current or {})
    for key, value in changes.items():
        old = merged.get(key)
        merged[key] = {**old, **value} if isinstance(old, dict) and isinstance(value, dict) else value
    partial = config_file.with_suffix(".part")
    partial.write_text(yaml.safe_dump(merged, sort_keys=True))
    partial.chmod(0o600)
    partial.replace(config_file)


def configs_root() -> Path:
    """Folder of the shipped presets: inside the installed package, or ``configs/`` of a checkout."""
    installed = Path(__file__).parent / "configs"
    return installed if installed.is_dir() else Path(__file__).parents[2] / "configs"


def preset_file(name: str, folder: str) -> Path:
    """Path of ``configs/<folder>/<name>.yaml``, or of the YAML file ``name``; raises ConfigError where none is."""
    path = Path(name) if name.endswith((".yaml", ".yml")) else configs_root() / folder / f"{name}.yaml"
    if not path.is_file():
        known = ", ".join(sorted(p.stem for p in (configs_root() / folder).glob("*.yaml")))
        raise ConfigError(f"no preset {name!r} in {folder}; use one of: {known}, or the path of a YAML file")
    return path


def load_preset(name: str, model: type[M], folder: str) -> M:
    """Read ``configs/<folder>/<name>.yaml``, or the YAML file ``name`` points to, into ``model``.

    Raises
    ------
    ConfigError
        When there is no such preset, or it holds an unknown key or a bad value.
    """
    path = preset_file(name, folder)
    try:
        return model.model_validate(yaml.safe_load(path.read_text()) or {})
    except (ValidationError, yaml.YAMLError) as error:
        reason = first_problem(error) if isinstance(error, ValidationError) else str(error).splitlines()[0]
        raise ConfigError(f"{path}: {reason}") from error


def first_problem(error: ValidationError) -> str:
    """One line for the first of pydantic's complaints: where, what, and the value given."""
    problem = error.errors()[0]
    where = ".".join(str(part) for part in problem["loc"]) or "value"
    more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
    return f"{where}: {problem['msg']}{more}"
