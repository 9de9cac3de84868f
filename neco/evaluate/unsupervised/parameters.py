"""The search for the communities' parameters: clusterings come in, the best settings come out.

It reads the labels of the training split and never those of the held-out split. It needs the
package `optuna`. Source: paper, appendix A.2; the released code.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from neco.config.unsupervised import Unsupervised
from neco.errors import UserError
from neco.evaluate.matching import match_one_to_one
from neco.evaluate.metrics import class_iou, margins, mean_iou
from neco.evaluate.unsupervised.communities import communities, links


@dataclass(frozen=True)
class Clustered:
    """What the search needs of one clustering of the foreground. The last cluster is background."""

    neighbour_shares: np.ndarray
    """float64 (clusters + 1, clusters + 1), see `segment.neighbour_shares`."""
    table: np.ndarray
    """int64 (clusters + 1, classes): how many cells of the training images each pair has."""


@dataclass(frozen=True)
class Found:
    """The best parameters of a search and their mIoU on the training split, in percent."""

    settings: Unsupervised
    train_miou: float
    trials: int
    refused: int
    """How many parameter sets were refused, because they left more segments than classes."""


def imported_optuna() -> Any:
    """Return the package optuna. Raises UserError where it is not installed."""
    try:
        import optuna
    except ImportError:
        raise UserError(
            "the search needs optuna; install the extra: "
            "pip install 'neco-reproduction[unsupervised]'"
        ) from None
    return optuna


def search(clustered: Callable[[int], Clustered], settings: Unsupervised) -> Found:
    """Return the best of `settings.trials` parameter sets (TPE) by the mean over `seeds`.

    A set that leaves more segments than classes is refused, as in the released code.

    clustered: returns the clustering into K clusters. It is called several times with the same K.
    Raises UserError where optuna is not installed and where all sets were refused.
    """
    optuna = imported_optuna()
    optuna.logging.set_verbosity(optuna.logging.WARNING)

    def between(suggest: Any, name: str, bounds: tuple[Any, Any, Any]) -> Any:
        return suggest(name, bounds[0], bounds[1], step=bounds[2])

    def objective(trial: Any) -> float:
        chosen = {
            "weight_threshold": between(
                trial.suggest_float, "weight_threshold", settings.search_weight
            ),
            "markov_time": between(trial.suggest_float, "markov_time", settings.search_markov_time),
            "clusters": between(trial.suggest_int, "clusters", settings.search_clusters),
        }
        known = clustered(chosen["clusters"])
        tried = settings.model_copy(update=chosen)
        scores = []
        for seed in settings.seeds:
            segments = segments_of(known.neighbour_shares, tried, seed)
            if np.unique(segments).size > known.table.shape[1]:
                raise optuna.TrialPruned
            scores.append(matched_miou(known.table, segments, settings))
        return float(np.mean(scores))

    sampler = optuna.samplers.TPESampler(seed=settings.search_seed)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    study.optimize(objective, n_trials=settings.trials)
    complete = [trial for trial in study.trials if trial.value is not None]
    if not complete:
        raise UserError(
            f"unsupervised: all {settings.trials} parameter sets left more segments than classes; "
            "raise trials, or search longer markov times"
        )
    best = settings.model_copy(update=study.best_params)
    refused = settings.trials - len(complete)
    return Found(best, study.best_value, settings.trials, refused)


def segments_of(neighbour_shares: np.ndarray, settings: Unsupervised, seed: int) -> np.ndarray:
    """Return the segment of every cluster, int64 (clusters + 1,).

    Each community is a segment, from 1. Clusters without links are in segment 0, and so is
    background unless it is in a community.
    """
    return communities(
        links(neighbour_shares, settings.weight_threshold),
        len(neighbour_shares),
        markov_time=settings.markov_time,
        preferred=settings.preferred_modules,
        seed=seed,
    )


def matched_miou(table: np.ndarray, segments: np.ndarray, settings: Unsupervised) -> float:
    """Return the mIoU in percent of segments that are matched one to one, from counts alone.

    table: int64 (clusters, classes), the cells of each pair. segments: int64 (clusters,), the
    segment of every cluster.
    """
    joined = np.zeros((int(segments.max()) + 1, table.shape[1]), np.int64)
    np.add.at(joined, segments, table)
    confusion = np.zeros((table.shape[1], table.shape[1] + 1), np.int64)
    np.add.at(confusion.T, match_one_to_one(joined), joined)
    return 100.0 * float(mean_iou(class_iou(margins(confusion)), settings.absent))
