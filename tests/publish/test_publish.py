"""Real DVC: what is published comes back from a clone, byte by byte; the same again is the same."""

import subprocess

import pytest
import yaml
from dvc.repo import Repo

from neco.errors import UserError
from neco.publish.describe import CURVES
from neco.publish.publish import publish
from tests.publish.conftest import MODELS, git, new_repository, write_project


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """A repository into which a small project was published and committed, and its results."""
    folder = tmp_path_factory.mktemp("publish")
    write_project(folder / "results" / "small")
    repository = new_repository(folder / "repository")
    assert publish(folder / "results" / "small", repository) == repository / "published" / "small"
    git(repository, "add", ".")
    assert git(repository, "commit", "--message", "Publish").returncode == 0
    return repository, folder / "results" / "small"


def test_a_clone_pulls_the_same_bytes(published, tmp_path):
    repository, results = published
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "--quiet", str(repository), str(clone)], check=True)
    with Repo(clone) as repo:
        repo.pull()
        (shown,) = repo.metrics.show().values()
    folder = clone / "published" / "small"
    for path in results.rglob("*.safetensors"):
        assert (folder / path.relative_to(results)).read_bytes() == path.read_bytes()
    assert not (folder / "logs").exists()
    assert not list(folder.rglob("*.ckpt"))
    assert git(clone, "status", "--porcelain").stdout == ""
    for model, value in MODELS.items():
        scores = shown["data"][f"published/small/scores/{model}.json"]["data"]
        assert scores["in-context"]["pascal-voc"]["1/1"] == value


def test_dvc_yaml_describes_and_executes_nothing(published):
    repository, _ = published
    stated = yaml.safe_load((repository / "dvc.yaml").read_text())
    assert set(stated) == {"artifacts", "metrics", "plots"}
    assert set(stated["artifacts"]) == {"small-neco-seed0", "small-neco-seed1", "small-report"}
    titles = [next(iter(plot)) for plot in stated["plots"] if isinstance(plot, dict)]
    assert titles[: len(CURVES)] == [f"small: {title}" for title in CURVES.values()]
    named = [item["path"] for item in stated["artifacts"].values()] + stated["metrics"]
    for plot in stated["plots"]:
        named += [plot] if isinstance(plot, str) else next(iter(plot.values()))["y"]
    for name in named:
        assert (repository / name).exists(), name


def test_what_is_said_of_other_projects_is_kept(tmp_path):
    repository = new_repository(tmp_path / "repository")
    write_project(tmp_path / "results")
    other = {
        "artifacts": {"big-report": {"path": "published/big/report/report.html"}},
        "metrics": ["published/big/scores"],
        "plots": ["published/big/figures/a.png", {"big: t": {"y": {"published/big/m.csv": "x"}}}],
    }
    (repository / "dvc.yaml").write_text(yaml.safe_dump(other))
    publish(tmp_path / "results", repository)
    first = yaml.safe_load((repository / "dvc.yaml").read_text())
    assert first["artifacts"].keys() > other["artifacts"].keys()
    assert first["metrics"] == ["published/big/scores", "published/small/scores"]
    assert first["plots"][:2] == other["plots"]
    publish(tmp_path / "results", repository)
    assert yaml.safe_load((repository / "dvc.yaml").read_text()) == first


def test_the_same_results_give_the_same_files(published):
    repository, results = published
    publish(results, repository)
    assert git(repository, "status", "--porcelain").stdout == ""


def test_too_much_for_the_repository_changes_nothing(tmp_path):
    write_project(tmp_path / "results", publish={"megabytes": 0.001})
    repository = new_repository(tmp_path / "repository")
    with pytest.raises(UserError, match=r"over the 0.001 MB .* name another remote"):
        publish(tmp_path / "results", repository)
    assert not (repository / "published").exists()


def test_an_unknown_remote_changes_nothing(tmp_path):
    write_project(tmp_path / "results", publish={"remote": "repositry"})
    repository = new_repository(tmp_path / "repository")
    with pytest.raises(UserError, match=r"no remote 'repositry'; did you mean 'repository'"):
        publish(tmp_path / "results", repository)
    assert not (repository / "published").exists()


def test_a_folder_without_dvc_is_refused_in_one_line(results, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    with pytest.raises(UserError, match="elsewhere") as caught:
        publish(results, tmp_path / "elsewhere")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["absent", "empty", "file"])
def test_what_holds_no_results_is_one_line(tmp_path, name):
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=f"{name}: holds no project.yaml"):
        publish(tmp_path / name, tmp_path)
