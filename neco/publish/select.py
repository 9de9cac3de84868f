"""Which files of results/<project>/ are published: those that readers use and cannot rebuild."""

import shutil
from pathlib import Path

from neco.backbones.load import weights_digest
from neco.backbones.registry import file_stem
from neco.config import Project
from neco.errors import UserError
from neco.evaluate.result import Metrics, read_result
from neco.run_files import ABOUT, METRICS, WEIGHTS

WEIGHTS_PATH = f"runs/{{model}}/{WEIGHTS}"
FILES = ("project.yaml", "models.json", "report/report.html")
FOLDERS = ("tables", "figures")
TRAINED = tuple(f"runs/{{model}}/{name}" for name in (METRICS, ABOUT))
METRICS_PATH = "metrics/{protocol}/{dataset}/{model}.json"


def trained_models(project: Project) -> dict[str, str]:
    """Return the starting backbone of every model that the project trains, by `<run>.seed<n>`."""
    return {name: backbone for name, (backbone, run, _) in project.models().items() if run}


def published_weights(project: Project) -> dict[str, str]:
    """Return those of the `trained_models` whose weights are published."""
    asked = project.publish.checkpoints
    return {
        model: start
        for model, start in trained_models(project).items()
        if asked is None or model in asked
    }


def published_files(project: Project, results: Path) -> list[Path]:
    """Return what is published of a finished project, relative to its results.

    Features, logs and timings stay behind, and so do metrics of models that the project no longer
    has. Raises UserError for a file that is not there.
    """
    chosen = [Path(name) for name in FILES]
    chosen += [
        Path(METRICS_PATH.format(protocol=protocol, dataset=dataset, model=file_stem(model)))
        for protocol, dataset, model in project.evaluated()
    ]
    chosen += [
        Path(pattern.format(model=model))
        for model in trained_models(project)
        for pattern in TRAINED
    ]
    chosen += [Path(WEIGHTS_PATH.format(model=model)) for model in published_weights(project)]
    for folder in FOLDERS:
        inside = (results / folder).rglob("*")
        found = sorted(path.relative_to(results) for path in inside if path.is_file())
        kept = [path for path in found if not any(map(path.match, project.publish.without))]
        chosen += kept if found else [Path(folder)]
    for path in chosen:
        if not (results / path).is_file():
            raise UserError(f"{results / path}: not there; run the workflow to its end first")
    return chosen


def gather(results: Path, chosen: list[Path], into: Path) -> None:
    """Copy the chosen files of `results` to the same places below `into`."""
    for path in chosen:
        (into / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(results / path, into / path)


def read_traceable(project: Project, results: Path) -> list[Metrics]:
    """Return the project's metrics. Raises UserError for one whose source could not be found again.

    A number is published only if a commit holds the code that measured it. Where its model was
    trained here, it must also have been measured with the very weights that are published beside
    it.
    """
    found = []
    for protocol, dataset, model in project.evaluated():
        stem = file_stem(model)
        path = results / METRICS_PATH.format(protocol=protocol, dataset=dataset, model=stem)
        metrics = read_result(path)
        commit = metrics.conditions.git_commit
        if commit is None or commit.endswith("-dirty"):
            raise UserError(
                f"{path}: measured at {commit or 'no commit'}, so nobody could find the code; "
                f"commit it, delete {results / 'metrics'} and run the workflow again"
            )
        weights = results / WEIGHTS_PATH.format(model=stem)
        measured = metrics.conditions.weights_digest
        if model in trained_models(project) and weights_digest(weights) != measured:
            raise UserError(
                f"{path}: measured with other weights than {weights}; delete it and run the "
                "workflow again"
            )
        found.append(metrics)
    return found
