"""The best learning rate: metrics files of all learning rates come in, one metrics file comes out.

The paper reports the highest mIoU of four learning rates (appendix A.2).
"""

from collections.abc import Iterable
from statistics import fmean

from neco.config.load import digest
from neco.config.segmenter import Segmenter
from neco.errors import UserError
from neco.evaluate.result import Metrics, Result, summarise


def best_learning_rate(parts: Iterable[Metrics], settings: Segmenter) -> Metrics:
    """Return one metrics file of a model from those of every learning rate and seed.

    The result is the learning rate with the highest mean over the seeds. It has the setting ''. All
    others have settings like `learning rate 3e-05` and enter no summary. The choice looks at the
    held-out images, as the paper's does, so the number is optimistic, and an interval made from the
    result's images takes the choice as given. What each result is made of, image by image, stays
    with it. Raises UserError for files
    that do not belong together, and where one is missing.
    """
    found = {_place(part): part for part in parts}
    missing = [
        f"{rate:g} (seed {seed})"
        for rate in settings.learning_rates
        for seed in settings.seeds
        if (rate, seed) not in found
    ]
    if missing:
        raise UserError(f"segmenter: no result of learning rate {', '.join(missing)}; run it first")
    chosen = [found[rate, seed] for rate in settings.learning_rates for seed in settings.seeds]
    one = chosen[0]
    for part in chosen[1:]:
        for key in ("protocol", "dataset", "about"):
            if getattr(part, key) != getattr(one, key):
                raise UserError(
                    f"segmenter: results of {one.about} on {one.dataset} and of {part.about} on "
                    f"{part.dataset} cannot be one result; give the files of one model"
                )
    for part in chosen:
        made = Segmenter.model_validate(part.settings)
        if digest(made.identity()) != digest(settings.identity()):
            raise UserError(
                f"segmenter: learning rate {_place(part)[0]:g} of {one.model or 'the model'} ran "
                "under other settings than now; run it again"
            )
    means = {
        rate: fmean(found[rate, seed].mIoU for seed in settings.seeds)
        for rate in settings.learning_rates
    }
    best = max(means, key=lambda rate: means[rate])
    results = [_named(part, best) for part in chosen]
    results.sort(key=lambda result: result.setting != "")
    summary = summarise(result for result in results if result.setting == "")
    seconds = sum(part.conditions.wall_seconds for part in chosen)
    conditions = one.conditions.model_copy(
        update={
            "seeds": settings.seeds,
            "config_digest": digest(settings),
            "wall_seconds": round(seconds, 2),
        }
    )
    return one.model_copy(
        update={
            "mIoU": summary[""].mIoU,
            "results": results,
            "summary": summary,
            "settings": settings.model_dump(mode="json"),
            "conditions": conditions,
        }
    )


def _place(part: Metrics) -> tuple[float, int]:
    if part.protocol != "segmenter" or len(part.results) != 1:
        raise UserError(
            f"{part.protocol} of {part.model}: not the result of one learning rate; give only "
            "files that `neco evaluate segmenter` wrote"
        )
    return part.results[0].details["learning_rate"], part.results[0].seed


def _named(part: Metrics, best: float) -> Result:
    rate = part.results[0].details["learning_rate"]
    return part.results[0].model_copy(
        update={"setting": "" if rate == best else f"learning rate {rate:g}"}
    )
