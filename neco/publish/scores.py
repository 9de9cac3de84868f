"""Metrics for `dvc metrics` and `dvc plots`: metrics files come in, flat files come out.

They have one row or one column for each model.
"""

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import fmean

from neco.backbones.registry import file_stem
from neco.evaluate.result import Metrics
from neco.files import opened_whole, write_json
from neco.report.scores.groups import Group, slug

WITHOUT_SETTING = "mIoU"
"""The column of a protocol's only setting, which has no name."""
DIGITS = 4


def write_scores(metrics: Iterable[Metrics], into: Path) -> list[Path]:
    """Write each model's <into>/<model>.json: mIoU in percent by protocol, dataset and setting."""
    models: dict[str, dict[str, dict[str, dict[str, float]]]] = {}
    for one in metrics:
        by_setting = {
            setting or WITHOUT_SETTING: round(summary.mIoU, DIGITS)
            for setting, summary in one.summary.items()
        }
        protocols = models.setdefault(file_stem(one.model), {})
        protocols.setdefault(one.protocol, {})[one.dataset] = by_setting
    paths = []
    for model, scores in models.items():
        paths.append(into / f"{model}.json")
        write_json(paths[-1], scores)
    return paths


def write_comparisons(
    metrics: Sequence[Metrics], groups: Sequence[Group], into: Path
) -> dict[tuple[str, str, str], list[str]]:
    """Write two CSVs per protocol, dataset and headline setting, as `stem_of` names them:

    <into>/<stem>.model.csv  model, mIoU: one row per backbone and training seed
    <into>/<stem>.class.csv  class, then IoU of every group, in percent

    A group is a backbone, or all training seeds of a run, averaged. Classes absent from the ground
    truth are left out. Returns the groups by (protocol, dataset, headline).
    """
    into.mkdir(parents=True, exist_ok=True)
    drawn: dict[tuple[str, str, str], list[str]] = {}
    places = dict.fromkeys((one.protocol, one.dataset, one.headline) for one in metrics)
    for protocol, dataset, headline in places:
        by_model = {
            file_stem(one.model): one
            for one in metrics
            if (one.protocol, one.dataset, one.headline) == (protocol, dataset, headline)
        }
        order = [member.model for group in groups for member in group.members]
        rows = [[name, _text(by_model[name].mIoU)] for name in order if name in by_model]
        stem = stem_of(protocol, dataset, headline)
        _write(into / f"{stem}.model.csv", ["model", "mIoU"], rows)
        columns = {
            group.handle: _class_means([by_model[m.model] for m in group.members], headline)
            for group in groups
            if all(member.model in by_model for member in group.members)
        }
        classes = dict.fromkeys(name for column in columns.values() for name in column)
        rows = [[name, *(_text(c.get(name)) for c in columns.values())] for name in classes]
        _write(into / f"{stem}.class.csv", ["class", *columns], rows)
        drawn[protocol, dataset, headline] = list(columns)
    return drawn


def stem_of(protocol: str, dataset: str, headline: str) -> str:
    """Return how files of a comparison begin: `in-context.pascal-voc.1-1`."""
    return ".".join(part for part in (protocol, dataset, slug(headline)) if part)


def _class_means(members: Sequence[Metrics], setting: str) -> dict[str, float]:
    """Return IoU by class, averaged over all seeds of all members."""
    values: dict[str, list[float]] = {}
    for member in members:
        for result in member.results:
            for name, value in result.per_class_iou.items():
                if result.setting == setting and value is not None:
                    values.setdefault(name, []).append(value)
    return {name: fmean(numbers) for name, numbers in values.items()}


def _text(value: float | None) -> str:
    return "" if value is None else f"{value:.{DIGITS}f}"


def _write(path: Path, header: list[str], rows: list[list[str]]) -> None:
    with opened_whole(path, newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)
