"""Settings of an installation (``CURATE_*`` and ``HOME/config.yaml``) and preset files in ``configs/``."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Literal, TypeVar

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    YamlConfigSettingsSource,
)

from matcurate.errors import ConfigError

log = logging.getLogger(__name__)

Polarity = Literal["auto", "bright", "dark"]
NetworkName = Literal["alexnet", "mobilenet_v3_small", "resnet18", "resnet34", "resnet50"]
"""Classifiers of torchvision that can be fine-tuned on microstructure classes."""
ModelFamilyName = Literal["lora", "regions"]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1)]
OpenShare = Annotated[float, Field(gt=0, lt=1)]
M = TypeVar("M", bound=BaseModel)


class Strict(BaseModel):
    """A frozen model that refuses unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True)


@cache  # one warning in a process, however often settings are read
def _warn_of_old_value(setting: str, old: object, new: str) -> None:
    log.warning("%s: %r is now called %r; change it, the next version accepts the new name only", setting, old, new)


def renamed(setting: str, names: Mapping[object, str]) -> BeforeValidator:
    """Accept old values (keys of ``names``) of a setting with a warning that names the new one."""

    def translate(value: object) -> object:
        if not isinstance(value, str | bool) or value not in names:
            return value
        _warn_of_old_value(setting, value, names[value])
        return names[value]

    return BeforeValidator(translate)


RETRAINING_BEFORE = {"afresh": "refit", "onward": "finetune", "off": "new_output_only", False: "new_output_only"}
"""Values of ``classes.retraining`` before 0.1; YAML reads a bare ``off`` as false."""


class LabelStudioSettings(Strict):
    """Where the lab's Label Studio is, and which of its projects this installation uses."""

    url: str | None = Field(default=None, description="Address of Label Studio, such as http://localhost:8080.")
    token_file: Path | None = Field(default=None, description="File that holds the access token of Label Studio.")
    project_id: int | None = Field(default=None, description="Number of the project in Label Studio.")
    regions_project_id: int | None = Field(
        default=None, description="Number of the project in which 'curate iterate' asks what regions are."
    )


class BackendSettings(Strict):
    """The ML backend's address and the credentials Label Studio must present."""

    host: str = Field(default="127.0.0.1", description="Network address that the backend listens on.")
    port: int = Field(default=9090, ge=0, le=65535, description="Port that the backend listens on.")
    username: str | None = Field(default=None, description="User name that Label Studio must send; None: no login.")
    password: SecretStr | None = Field(default=None, description="Password that Label Studio must send.")
    webhook_secret: SecretStr | None = Field(default=None, description="Secret that every webhook call must carry.")
    clicks_megapixels: float = Field(
        default=16.0, gt=0, description="Megapixels of encoded images kept for clicks; about 0.1 GB for each."
    )


class PromotionSettings(Strict):
    """When a new model version (challenger) replaces the champion; both are measured on the golden set."""

    policy: Literal["auto", "manual"] = Field(
        default="auto",
        description="auto: a better version is promoted by itself. manual: only 'curate models promote' does it.",
    )
    confidence: OpenShare = Field(
        default=0.95, description="Confidence level of the interval of the difference in Dice."
    )
    dice_loss: Share = Field(
        default=0.02, description="Largest accepted drop of the mean Dice, whether significant or not."
    )
    fraction_tolerance: Share = Field(
        default=0.01, description="Largest accepted rise of the mean error of the area fractions."
    )
    max_ece: Share | None = Field(
        default=None,
        description="Largest accepted expected calibration error of the probabilities; None disables the check.",
    )
    min_error_auroc: Share | None = Field(
        default=None, description="Minimum AUROC of vacuity as an error detector; None disables the check."
    )


class RetrainSettings(Strict):
    """When a model is retrained, on what, and how the result is promoted."""

    min_corrections: int = Field(
        default=4, ge=1, description="Number of usable corrections below which nothing is trained."
    )
    new_corrections: int = Field(default=20, ge=1, description="Number of new corrections that triggers retraining.")
    effort_window: int = Field(
        default=10, ge=1, description="Number of newest corrections whose effort is compared with that of earlier ones."
    )
    effort_rise: NonNegative = Field(
        default=0.25,
        description="Relative rise of the correction effort that triggers retraining (0.25: by a quarter).",
    )
    effort_floor: Share = Field(
        default=0.01,
        description="Minimum rise of the correction effort, as a share of the pixels, that triggers retraining.",
    )
    max_age_days: Positive | None = Field(
        default=30.0, description="Age of the champion in days that triggers retraining; None: age never does."
    )
    validation_share: float = Field(
        default=0.2, ge=0, lt=1, description="Share of the specimens that is kept for validation."
    )
    model: ModelFamilyName = Field(
        default="lora",
        description="Kind of model. lora: adapters on the backbone, for phases. regions: a small network of its own, "
        "for regions that differ in texture.",
    )
    backbone: str = Field(
        default="builtin",
        description="Backbone that is adapted: builtin, vit_b, vit_l or vit_h; for regions builtin.",
    )
    preset: str | None = Field(
        default=None,
        description="Training preset: a name in configs/phase (for regions: configs/regions), or a YAML file. Default: "
        "builtin; sam for official SAM.",
    )
    promotion: PromotionSettings = PromotionSettings()


class RankSettings(Strict):
    """Defaults of 'curate rank'."""

    strategy: str | None = Field(
        default=None, description="Acquisition strategy by name. None: evidential where the model has evidence."
    )
    count: int = Field(default=10, ge=1, description="Number of micrographs in a batch.")
    lease_hours: Positive = Field(default=24.0, description="Hours a ranked micrograph stays reserved.")
    seed: int = Field(default=0, ge=0, description="Seed of random choices.")
    quota: int | None = Field(
        default=None, ge=1, description="Maximum number of micrographs of one specimen in a batch; None: no limit."
    )


class NetworkSettings(Strict):
    """How a torchvision classifier is fine-tuned on crops; all its weights are trained."""

    weights: str = Field(
        default="imagenet",
        min_length=1,
        description="Start weights. imagenet: torchvision's, from the checkpoint store. none: random. Or a .pth file.",
    )
    epochs: int = Field(default=20, ge=1, description="Number of passes over all crops.")
    batch: int = Field(default=32, ge=2, description="Number of crops in one training step.")
    learning_rate: Positive = Field(default=0.001, description="Initial learning rate.")


class ClassSettings(Strict):
    """How microstructure classes are learned from named micrographs, and when one may be new."""

    model: Literal["head"] | NetworkName = Field(
        default="head",
        description="head: a small classifier on the backbone's embeddings. Else a torchvision network, fine-tuned.",
    )
    network: NetworkSettings = NetworkSettings()
    crop: int = Field(default=128, ge=32, description="Edge length of a crop in pixels.")
    per_edge: int = Field(
        default=4, ge=1, le=32, description="Maximum number of crops along each edge of a micrograph, region or box."
    )
    regions: bool = Field(
        default=False,
        description="Whether micrographs are split into regions of one texture that are classified separately.",
    )
    retraining: Annotated[
        Literal["refit", "finetune", "new_output_only"],
        renamed("classes.retraining", RETRAINING_BEFORE),
    ] = Field(
        default="refit",
        description="What is trained after a new class got an output. refit: everything, from the start, on old and "
        "new crops. finetune: all outputs, from their present weights. new_output_only: the new output only.",
    )
    quantile: OpenShare = Field(
        default=0.8,
        description="Quantile of the vacuity of held-out known crops; a micrograph with a median above it may be new.",
    )


class ReportSettings(Strict):
    """When 'curate report' says "stop": both conditions must hold."""

    half_width: float = Field(
        default=0.02,
        gt=0,
        le=0.5,
        description="Largest accepted half width of the confidence interval of every phase's area fraction.",
    )
    least_gain: Share = Field(
        default=0.005, description="Gain of Dice by another round below which labelling may stop."
    )
    confidence: OpenShare = Field(default=0.95, description="Confidence level of the intervals.")


class WorkerSettings(Strict):
    """The job queue, and how long it waits for corrections to stop coming."""

    queue_url: str | None = Field(
        default=None,
        description="postgresql://… when several machines share jobs. Default: the catalog's, else SQLite in HOME.",
    )
    workers: int = Field(default=1, ge=1, le=64, description="Number of jobs that one worker runs at the same time.")
    quiet_seconds: NonNegative = Field(
        default=120.0, description="Seconds without a new correction after which corrections are processed."
    )
    longest_wait_seconds: NonNegative = Field(
        default=1800.0,
        description="Seconds after the first correction after which corrections are processed in any case.",
    )

    @field_validator("queue_url")
    @classmethod
    def _postgresql(cls, url: str | None) -> str | None:
        if url is None or url.startswith(("postgresql:", "postgresql+psycopg:", "postgres:")):
            return url
        if url.startswith(("redis:", "rediss:")):
            warnings.warn("worker.queue_url: Redis is not used any more; leave it out", FutureWarning, stacklevel=2)
            return None
        raise ValueError("write postgresql://USER@HOST/NAME, or leave it out for SQLite")


class Settings(BaseSettings):
    """Everything an installation can set. Environment over file over default.

    Nested values are reached with a double underscore: ``CURATE_LABEL_STUDIO__URL``.
    """

    model_config = SettingsConfigDict(
        env_prefix="CURATE_", env_nested_delimiter="__", extra="forbid", frozen=True, env_ignore_empty=True
    )

    home: Path = Field(default=Path(".curate"), description="Folder with settings, catalog and objects.")
    project: str = Field(default="default", description="Name of the project.")
    lab: str = Field(
        default="local", min_length=1, description="Name of the lab; it is written into every model version."
    )
    database_url: str | None = Field(
        default=None, description="Database of the catalog. Default: SQLite in HOME/catalog.db."
    )
    objects_url: str | None = Field(
        default=None, description="Where images and masks are stored: any fsspec URL. Default: HOME/objects."
    )
    tracking_uri: str | None = Field(
        default=None, description="MLflow: http(s)://SERVER, or a local store. Default: SQLite in HOME/mlflow."
    )
    cache_dir: Path | None = Field(
        default=None, description="Folder of checkpoints and embeddings. Default: HOME/cache."
    )
    cache_gib: float = Field(default=10.0, gt=0, description="Maximum size of the embedding cache in GiB.")
    backbone: str = Field(
        default="auto", description="Backbone of pre-segmentation: auto, builtin, vit_b, vit_l or vit_h."
    )
    preset: str = Field(
        default="phases", description="Preset of pre-segmentation: a name in configs/presets, or a file."
    )
    pre_segmentation: Literal["champion", "matsam"] = Field(
        default="champion",
        description="champion: the champion model, or MatSAM while there is none. matsam: always MatSAM.",
    )
    max_megapixels: float = Field(
        default=400.0, gt=0, description="Maximum image size in megapixels; larger images are refused before decoding."
    )
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
    def resolved_queue_url(self) -> str:
        """Database of the job queue: PostgreSQL where it or the catalog is there, else SQLite in the home."""
        url = self.worker.queue_url or self.database_url or ""
        file = f"sqlite:///{(self.home / 'jobs.db').absolute()}"
        return f"postgresql:{url.partition(':')[2]}" if url.startswith("postgres") else file

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
    """Read the settings of ``home``, else of ``$CURATE_HOME``, else of ``./.curate``.

    Raises ConfigError when ``config.yaml`` or the environment holds an unknown key or a bad value.
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
        raise ConfigError(f"{config_file} is not valid YAML ({str(error).splitlines()[0]}); fix it") from error


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

    Raises ConfigError when there is no such preset, or it holds an unknown key or a bad value.
    """
    path = preset_file(name, folder)
    try:
        return model.model_validate(yaml.safe_load(path.read_text()) or {})
    except (ValidationError, yaml.YAMLError) as error:
        reason = first_problem(error) if isinstance(error, ValidationError) else str(error).splitlines()[0]
        raise ConfigError(f"{path}: {reason}") from error


def first_problem(error: ValidationError) -> str:
    """Return one line for pydantic's first complaint: where and what, and how many more there are."""
    problem = error.errors()[0]
    where = ".".join(str(part) for part in problem["loc"]) or "value"
    more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
    return f"{where}: {problem['msg']}{more}"
