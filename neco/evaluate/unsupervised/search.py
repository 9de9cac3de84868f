"""The search for the communities' parameters. Source: paper, appendix A.2; ranges of Leopart.

It looks at the training split's labels, as choosing the best of a search does in the paper; the
held-out split is not looked at. Needs the package `optuna`.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from neco.config.evaluation import Unsupervised
from neco.errors import UserError
from neco.evaluate.unsupervised.segment import (
    Foreground,
    Patches,
    cluster_foreground,
    detect_communities,
)


@dataclass(frozen=True)
class Found:
    """The best parameters of a search and their mIoU on the training split, in percent."""

    settings: Unsupervised
    train_miou: float
    trials: int


def search(
    patches: Patches,
    foreground: Foreground,
    settings: Unsupervised,
    score: Any,
    seed: int = 0,
) -> Found:
    """Return the best of `settings.trials` parameter sets (TPE).

    score: returns the mIoU of segments (train images, rows, columns) on the training split.
    Raises UserError without optuna.
    """
    try:
        import optuna
    except ImportError:
        raise UserError(
            "the search needs optuna; install the extra: "
            "pip install 'neco-reproduction[unsupervised]'"
        ) from None
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    maps_of: dict[int, np.ndarray] = {}

    def objective(trial: Any) -> float:
        clusters = trial.suggest_int("clusters", *settings.search_clusters)
        if clusters not in maps_of:
            maps_of[clusters] = cluster_foreground(patches, foreground, clusters, settings, seed)
        segments = detect_communities(
            maps_of[clusters],
            clusters,
            settings,
            seed,
            weight_threshold=trial.suggest_float("weight_threshold", *settings.search_weight),
            markov_time=trial.suggest_float("markov_time", *settings.search_markov_time),
        )
        return float(score(segments[: patches.train_images]))

    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=seed))
    study.optimize(objective, n_trials=settings.trials)
    best = settings.model_copy(update=study.best_params)
    return Found(best, study.best_value, settings.trials)
