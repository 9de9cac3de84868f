"""Publishing: results/<project>/ comes in, published/<project>/ comes out.

Files are gathered, described and given to DVC.
"""

import importlib.util
import shutil
from pathlib import Path

import yaml

from neco.config import load_project
from neco.config.base import nearest
from neco.errors import UserError
from neco.files import write_text
from neco.publish.describe import PLOTS, SCORES, describe
from neco.publish.remote import FOLDER, NAME, outputs, prune
from neco.publish.scores import write_comparisons, write_scores
from neco.publish.select import gather, published_files, read_traceable
from neco.report.scores.groups import read_groups

MEGABYTE = 1_000_000


def publish(results: Path, repository: Path) -> Path:
    """Publish a finished project's results and return their folder, published/<project>.

    The same results give the same files. Raises UserError, and changes nothing, where results are
    incomplete, not traceable (`read_traceable`) or too large for the repository, and where DVC is
    missing.
    """
    if not (results / "project.yaml").is_file():
        raise UserError(
            f"{results}: holds no project.yaml; name a folder that the workflow wrote, "
            "results/<project>"
        )
    project = load_project(results / "project.yaml")
    _refuse_unready(repository, project.publish.remote)
    chosen = published_files(project, results)
    metrics = read_traceable(project, results)
    folder = repository / FOLDER / project.name
    if project.publish.remote == NAME:
        _refuse_large(results, chosen, folder, project.publish.megabytes)
    _clear(folder)
    gather(results, chosen, folder)
    write_scores(metrics, folder / SCORES)
    drawn = write_comparisons(metrics, read_groups(folder / "models.json"), folder / PLOTS)
    root = repository / "dvc.yaml"
    write_text(root, describe(root, project, folder, metrics, drawn))
    _hand_over(folder, repository, project.publish.remote)
    return folder


def _refuse_large(results: Path, chosen: list[Path], folder: Path, megabytes: float) -> None:
    others = [
        out["size"] for file, out in outputs(folder.parents[1]).items() if file.parent != folder
    ]
    total = (sum((results / path).stat().st_size for path in chosen) + sum(others)) / MEGABYTE
    if total > megabytes:
        raise UserError(
            f"{results}: with it {FOLDER}/remote would hold {total:.1f} MB, over the "
            f"{megabytes:g} MB of publish.megabytes; name another remote (docs/publishing.md)"
        )


def _clear(folder: Path) -> None:
    """Remove what an earlier publication left, its .dvc files included."""
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True)


def _hand_over(folder: Path, repository: Path, remote: str) -> None:
    """Let DVC track everything in `folder`, and push it to its remote."""
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    tracked = sorted(str(path) for path in folder.iterdir())
    try:
        with Repo(repository) as repo:
            repo.add(tracked)
            repo.push(tracked, remote=remote)
    except DvcException as error:
        raise UserError(f"{folder}: DVC refused it: {' '.join(str(error).split())}") from None
    if remote != NAME:
        for file in sorted(folder.glob("*.dvc")):
            stated = yaml.safe_load(file.read_text())
            stated["outs"][0]["remote"] = remote
            write_text(file, yaml.safe_dump(stated, sort_keys=False))
    prune(repository)


def _refuse_unready(repository: Path, remote: str) -> None:
    """Raise UserError where DVC, its repository or the remote is not there."""
    if importlib.util.find_spec("dvc") is None:
        raise UserError("DVC is not installed; pip install 'neco-reproduction[dvc]'")
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    try:
        with Repo(repository) as repo:
            known = list(repo.config["remote"])
    except DvcException as error:
        raise UserError(f"{repository.resolve()}: {' '.join(str(error).split())}") from None
    if remote not in known:
        raise UserError(
            f"publish.remote: DVC knows no remote '{remote}'{nearest(remote, known)}; add it with "
            f"`dvc remote add {remote} ADDRESS`"
        )
