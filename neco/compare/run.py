"""A comparison from arguments to files: datasets, backbones, numbers, the page."""

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

import neco
from neco.compare.candidates import Candidate, load
from neco.compare.folders import Data, wanted
from neco.compare.measure import Bench, Measured
from neco.compare.page.build import write_page
from neco.compare.page.shown import Shown, images_shown, shown
from neco.compare.table import Row, write_csv
from neco.config.project import Project
from neco.errors import MachineError, UserError
from neco.evaluate.differences import comparable, difference, scores, settings_of
from neco.files import write_json
from neco.progress import ProgressLine

log = logging.getLogger(__name__)

JSON, CSV, PAGE = "comparison.json", "comparison.csv", "comparison.html"


@dataclass
class Comparison:
    """What was measured, and what was not and why."""

    rows: list[Row]
    left_out: list[dict[str, str]]
    """`dataset`, `backbone` (empty for all), `protocol` and `reason`."""
    seconds: dict[str, dict[str, float]] = field(default_factory=dict)
    """By `dataset / backbone`, then by what was made; empty where all was there."""


def compare(
    data: Sequence[Data],
    backbones: Sequence[Candidate],
    project: Project,
    out: Path,
    downloads: Path,
    quick: bool = False,
) -> Comparison:
    """Measure every backbone on every dataset and write the comparison to the folder `out`.

    The first backbone is the baseline. Raises UserError where no number at all can be measured.
    """
    began = time.perf_counter()
    asked = {one.name: wanted(project.compare, one) for one in data}
    comparison = Comparison([], [
        {"dataset": name, "backbone": "", "protocol": protocol, "reason": reason}
        for name, (_, reasons) in asked.items()
        for protocol, reason in reasons.items()
    ])  # fmt: skip
    if not any(protocols for protocols, _ in asked.values()):
        reasons = "; ".join(f"{one['protocol']}: {one['reason']}" for one in comparison.left_out)
        raise UserError(f"nothing can be measured: {reasons}")
    measured: dict[tuple[str, str], dict[str, Measured]] = {}
    pictures: dict[tuple[str, str], Shown] = {}
    steps = sum(len(protocols) + 1 for protocols, _ in asked.values()) * len(backbones)
    images = images_shown(project.compare.page, len(data) * len(backbones))
    done = 0
    with ProgressLine(steps) as line:
        for candidate in backbones:
            line.at(done, f"{candidate.name}: load")
            backbone = load(
                candidate, project.extraction.block, out / "weights", project.all_mirrors(),
                downloads,
            )  # fmt: skip
            for one in data:
                at = comparison.seconds.setdefault(f"{one.name} / {candidate.name}", {})

                where = f"{candidate.name}, {one.name}"
                bench = Bench(candidate, backbone, one, project, out, at)
                measured[one.name, candidate.name] = results = {}
                for protocol in asked[one.name][0]:
                    bench.say = partial(_say, line, done, where)
                    try:
                        results[protocol] = bench.measure(protocol)
                    except MachineError:
                        raise
                    except UserError as error:
                        comparison.left_out.append({
                            "dataset": one.name, "backbone": candidate.name,
                            "protocol": protocol, "reason": str(error),
                        })  # fmt: skip
                    done += 1
                bench.say = partial(_say, line, done, where)
                pictures[one.name, candidate.name] = shown(bench, project, images)
                done += 1
            del backbone, bench  # both would keep it on the GPU beside the next one
        line.at(steps, "done")
    for one in data:
        comparison.rows += _rows(one, backbones, measured, project, comparison.left_out)
    if not comparison.rows:
        first = comparison.left_out[0]
        raise UserError(f"nothing could be measured; {first['protocol']}: {first['reason']}")
    _write(comparison, data, backbones, project, out, pictures, quick, time.perf_counter() - began)
    return comparison


def _say(line: ProgressLine, done: int, where: str, step: str) -> None:
    line.at(done, f"{where}: {step}")


def _rows(
    data: Data,
    backbones: Sequence[Candidate],
    measured: dict[tuple[str, str], dict[str, Measured]],
    project: Project,
    left_out: list[dict[str, str]],
) -> list[Row]:
    """Return every number on a dataset, and its difference to the first backbone's."""
    settings, baseline = project.compare, backbones[0]
    first = measured[data.name, baseline.name]
    known = {
        (one.name, protocol): scores(found, settings.replicas, settings.seed)
        for one in backbones
        for protocol, found in measured[data.name, one.name].items()
    }
    rows = []
    for one in backbones:
        for protocol, found in measured[data.name, one.name].items():
            forbidden = comparable(found, first[protocol]) if protocol in first else "no baseline"
            if forbidden and one is not baseline and protocol in first:
                left_out.append({
                    "dataset": data.name, "backbone": one.name, "protocol": protocol,
                    "reason": f"no difference to {baseline.name}: {forbidden}",
                })  # fmt: skip
            for setting in settings_of([found]):
                score = known[one.name, protocol][setting]
                base = known.get((baseline.name, protocol), {}).get(setting)
                apart = None
                if one is not baseline and base is not None and not forbidden:
                    apart = difference(score, base, settings.level)
                rows.append(Row(
                    data.name, protocol, setting, setting == found.metrics.headline, one.name,
                    found.metrics.conditions.val_images, score, apart, found.kept,
                ))  # fmt: skip
    return rows


def _write(
    comparison: Comparison,
    data: Sequence[Data],
    backbones: Sequence[Candidate],
    project: Project,
    out: Path,
    pictures: dict[tuple[str, str], Shown],
    quick: bool,
    seconds: float,
) -> None:
    level = project.compare.level
    rows = [row.flat(backbones[0].name, level) for row in comparison.rows]
    content: dict[str, Any] = {
        "baseline": backbones[0].name,
        "backbones": [
            {
                "name": one.name,
                "backbone": one.backbone,
                "weights": one.weights and str(one.weights),
            }
            for one in backbones
        ],
        "datasets": [
            {
                "name": one.name,
                "labelled": one.labelled,
                "classes": one.val.classes if one.labelled else [],
                "train_images": len(one.train) if one.train is not None else 0,
                "val_images": len(one.val),
                "digest": one.val.digest(),
                "said": list(one.said),
            }
            for one in data
        ],
        "rows": rows,
        "left_out": comparison.left_out,
        "quick": quick,
        "settings": {
            "compare": project.compare.model_dump(mode="json"),
            "extraction": project.extraction.model_dump(mode="json"),
            **{
                str(protocol): project.settings_for(protocol, data[0].val.name).model_dump(
                    mode="json"
                )
                for protocol in project.compare.protocols
            },
        },
        "seconds": comparison.seconds,
        "wall_seconds": round(seconds, 1),
        "version": neco.__version__,
        "numpy": np.__version__,
    }
    write_json(out / JSON, content, ensure_ascii=False)
    write_csv(out / CSV, rows)
    images = images_shown(project.compare.page, len(data) * len(backbones))
    write_page(out / PAGE, content, data, pictures, project.compare.page, images)


def left_out_lines(comparison: Comparison) -> list[str]:
    """Return what was not measured and why, one line each, alike ones together."""
    found: dict[tuple[str, str], list[str]] = {}
    for one in comparison.left_out:
        where = f"{one['dataset']}, {one['backbone']}" if one["backbone"] else one["dataset"]
        found.setdefault((where, one["reason"]), []).append(one["protocol"])
    return [
        f"{where}: no {', '.join(protocols)}: {reason}"
        for (where, reason), protocols in found.items()
    ]
