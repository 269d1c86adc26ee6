"""Measure how well a model tells microstructure classes apart, and knows one that it has never seen."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from matcurate.bench.images import mean_of
from matcurate.config import NetworkName, NetworkSettings, Settings
from matcurate.errors import ConfigError
from matcurate.learned.class_networks import GreyCrops, least_edge, network_learner
from matcurate.learned.embedders import embedder_of
from matcurate.learned.texture_crops import LEARNED, TextureClass, texture_classes
from matcurate.types import Progress, silent
from matcurate.uncertainty.calibration import Flags, Reliability, detection_auroc, reliability
from matcurate.uncertainty.dirichlet import class_means, vacuity
from matcurate.uncertainty.embedding import Embedder
from matcurate.uncertainty.head import HeadSettings
from matcurate.uncertainty.learners import HeadLearner, Objective, PatchLearner
from matcurate.uncertainty.patch_model import PatchModel
from matcurate.uncertainty.trainer import HeadTraining
from matcurate.workflows.home import learning_backbone

TOP = 5
NOVEL = 4
CROP = 128


@dataclass(frozen=True, slots=True)
class NoveltyChoice:
    """Scores with one random choice of the novel classes; ``novel`` names them.

    ``auroc`` is that of vacuity, ``auroc_max_softmax`` that of 1 - the largest probability of a twin: the same network
    from the same start on the same embeddings, trained with cross-entropy.
    """

    novel: tuple[str, ...]
    accuracy: float
    top5: float
    u_known: float
    u_novel: float
    auroc: float
    auroc_max_softmax: float
    accuracy_softmax: float
    reliability: Reliability


@dataclass(frozen=True, slots=True)
class NoveltyBenchmark:
    """Means over the choices; accuracies are those of known classes. ``backbone`` is empty for a whole network."""

    textures: str
    model: str
    backbone: str
    embedder_sha256: str
    known: int
    novel: int
    crop: int
    learned_crops: int
    seed: int
    accuracy: float
    top5: float
    u_known: float
    u_novel: float
    auroc: float
    auroc_max_softmax: float
    accuracy_softmax: float
    ece: float
    seconds: float
    per_choice: tuple[NoveltyChoice, ...]


@dataclass(frozen=True, slots=True, eq=False)
class NoveltyAnswers:
    """What a figure needs of one choice: α (N, K) of known and novel crops, and which known ones were right."""

    known: NDArray[np.float64]
    novel: NDArray[np.float64]
    correct: Flags


@dataclass(frozen=True, slots=True)
class NoveltyDraws:
    """What is drawn from a folder of textures.

    Parameters
    ----------
    known, novel : int, optional
        How many classes are learned, and how many are not; all but the novel ones by default.
    choices : int
        So many times the classes are drawn.
    crop : int
        Edge of a crop in pixels.
    seed : int
        Of crops, choices and training; non-negative.
    """

    known: int | None = None
    novel: int = NOVEL
    choices: int = 3
    crop: int = CROP
    seed: int = 0

    def known_of(self, classes: int, folder: Path) -> int:
        """How many are learned; :class:`ConfigError` when there are too few images in the folder for so many."""
        known = classes - self.novel if self.known is None else self.known
        if self.novel < 1 or known < 2 or known + self.novel > classes:
            raise ConfigError(
                f"{folder}: {classes} classes cannot be {known} known and {self.novel} novel; "
                "choose --known and --novel"
            )
        return known


@dataclass(frozen=True, slots=True, eq=False)
class Learning:
    """What learns, by name, and what it looks at; ``backbone`` is empty for a whole network."""

    model: str
    backbone: str
    embed: Embedder
    learner: PatchLearner


def head_learning(
    settings: Settings,
    backbone: str | None = None,
    head: HeadSettings = HeadSettings(),  # noqa: B008 - frozen
    training: HeadTraining = HeadTraining(),  # noqa: B008 - frozen
) -> Learning:
    """A head on a backbone's embeddings: that of the settings by default, where ``auto`` stands for ``builtin``.

    Raises
    ------
    ConfigError
        When the backbone has no features.
    CheckpointError
        When its checkpoint is not at hand.
    """
    loaded = learning_backbone(backbone, settings)
    return Learning("head", loaded.name, embedder_of(loaded), HeadLearner(head, training))


def network_learning(settings: Settings, name: NetworkName, chosen: NetworkSettings, crop: int) -> Learning:
    """A torchvision classifier, fine-tuned whole on crops of an edge.

    Raises
    ------
    ConfigError
        When crops are too small for it.
    CheckpointError
        When its weights are not at hand.
    """
    if crop < least_edge(name):
        raise ConfigError(f"{name} takes crops of {least_edge(name)} pixels at least; choose a larger --crop")
    return Learning(name, "", GreyCrops(name), network_learner(name, chosen, settings.resolved_cache_dir))


def bench_novelty(
    folder: Path,
    draws: NoveltyDraws,
    learning: Learning,
    *,
    max_megapixels: float,
    progress: Progress = silent,
    keep: Callable[[NoveltyAnswers], None] = lambda answers: None,
) -> NoveltyBenchmark:
    """Learn some classes of a folder of textures, and measure on other crops of them and on classes never seen.

    Parameters
    ----------
    folder : Path
        One image per class; see :func:`~matcurate.learned.texture_crops.texture_classes` for the crops.
    draws : NoveltyDraws
        How many of them, how often.
    learning : Learning
        What learns.
    max_megapixels : float
        Larger images are refused.
    progress : Progress
        Told images embedded, then choices measured.
    keep : callable
        Given the answers of every choice.

    Raises
    ------
    ConfigError
        When there are too few images for so many classes.
    DatasetError, UnreadableImageError
        When the folder cannot be used.
    """
    begun, rng = time.perf_counter(), np.random.default_rng(draws.seed)
    found = texture_classes(
        folder, learning.embed, crop=draws.crop, rng=rng, max_megapixels=max_megapixels, progress=progress
    )
    known, scores = draws.known_of(len(found), folder), []
    for number in range(draws.choices):
        progress(number, draws.choices, f"choice {number + 1}")
        drawn = [found[index] for index in rng.permutation(len(found))[: known + draws.novel]]
        scores.append(_measured(drawn[draws.novel :], drawn[: draws.novel], learning.learner, rng, keep))
    names = ("accuracy", "top5", "u_known", "u_novel", "auroc", "auroc_max_softmax", "accuracy_softmax")
    return NoveltyBenchmark(
        textures=str(folder),
        model=learning.model,
        backbone=learning.backbone,
        embedder_sha256=learning.embed.digest,
        known=known,
        novel=draws.novel,
        crop=draws.crop,
        learned_crops=LEARNED,
        seed=draws.seed,
        **{each: mean_of(scores, each) for each in names},
        ece=mean_of([each.reliability for each in scores], "ece"),
        seconds=time.perf_counter() - begun,
        per_choice=tuple(scores),
    )


def _measured(
    known: Sequence[TextureClass],
    novel: Sequence[TextureClass],
    learner: PatchLearner,
    rng: np.random.Generator,
    keep: Callable[[NoveltyAnswers], None],
) -> NoveltyChoice:
    embeddings, labels = _joined([each.learned_embeddings for each in known])
    looked, truth = _joined([each.measured_embeddings for each in known])
    strange, _ = _joined([each.measured_embeddings for each in novel])
    names, seed = [each.name for each in known], int(rng.integers(2**32))

    def trained(objective: Objective) -> PatchModel:
        model, own = learner.begin(names, embeddings, labels, np.random.default_rng(seed)), learner.by(objective)
        own.train(model, embeddings, labels, np.random.default_rng(seed))
        return model

    evidential, twin = trained("evidence"), trained("softmax")
    look, alpha_novel = evidential.look(looked), evidential.parameters_of(strange)
    alpha = look.alpha
    shares, shares_novel = softmax_of(twin, looked), softmax_of(twin, strange)
    correct = alpha.argmax(axis=1) == truth
    keep(NoveltyAnswers(alpha, alpha_novel, correct))
    ranked = np.argsort(-look.logits, axis=1, kind="stable")[:, :TOP]
    return NoveltyChoice(
        novel=tuple(each.name for each in novel),
        accuracy=float(correct.mean()),
        top5=float((ranked == truth[:, None]).any(axis=1).mean()),
        u_known=float(vacuity(alpha).mean()),
        u_novel=float(vacuity(alpha_novel).mean()),
        auroc=_novelty_auroc(vacuity(alpha), vacuity(alpha_novel)),
        auroc_max_softmax=_novelty_auroc(1 - shares.max(axis=1), 1 - shares_novel.max(axis=1)),
        accuracy_softmax=float((shares.argmax(axis=1) == truth).mean()),
        reliability=reliability(vacuity(alpha), class_means(alpha).max(axis=1), correct),
    )


def softmax_of(network: PatchModel, embeddings: NDArray[np.float32]) -> NDArray[np.float64]:
    """Probabilities (N, K) that a model trained with cross-entropy gives to embeddings (N, D) or crops (N, h, w)."""
    return np.asarray(softmax(network.look(embeddings).logits, axis=1))


def _joined(parts: Sequence[NDArray[np.float32]]) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """All embeddings under each other, and the number of the part each is of."""
    return np.concatenate(parts), np.repeat(np.arange(len(parts)), [len(part) for part in parts])


def _novelty_auroc(known: NDArray[np.float64], novel: NDArray[np.float64]) -> float:
    flags = np.repeat([False, True], [len(known), len(novel)])
    return detection_auroc(np.concatenate([known, novel]), flags) or 0.0
