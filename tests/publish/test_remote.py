"""The remote in the repository: what it holds, and that damage is named in one line."""

import hashlib
import json
from pathlib import Path

import pytest
import yaml

from neco.errors import UserError
from neco.publish.remote import check, content, prune, remote_folder


def store(repository: Path, data: bytes, suffix: str = "") -> str:
    """Put an object into the remote as DVC does; return its name."""
    name = hashlib.md5(data).hexdigest() + suffix
    path = remote_folder(repository) / name[:2] / name[2:]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return name


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """One published file, one folder of two, and an object of the past."""
    files = {"a.csv": b"first", "deep/b.csv": b"second"}
    entries = [{"md5": store(tmp_path, data), "relpath": name} for name, data in files.items()]
    outs = {
        "runs": store(tmp_path, json.dumps(entries).encode(), ".dir"),
        "models.json": store(tmp_path, b"[]"),
    }
    (tmp_path / "published" / "small").mkdir()
    for name, md5 in outs.items():
        stated = {"outs": [{"md5": md5, "size": 11, "hash": "md5", "path": name}]}
        (tmp_path / "published" / "small" / f"{name}.dvc").write_text(yaml.safe_dump(stated))
    store(tmp_path, b"of an older publication")
    return tmp_path


def object_of(repository: Path, data: bytes) -> Path:
    name = hashlib.md5(data).hexdigest()
    return remote_folder(repository) / name[:2] / name[2:]


def test_content_and_size(repository):
    folder = Path("published/small")
    assert content(repository) == {
        folder / "runs" / "a.csv": hashlib.md5(b"first").hexdigest(),
        folder / "runs" / "deep" / "b.csv": hashlib.md5(b"second").hexdigest(),
        folder / "models.json": hashlib.md5(b"[]").hexdigest(),
    }
    listing = next(remote_folder(repository).glob("*/*.dir"))
    assert check(repository) == len(b"first" + b"second" + b"[]") + listing.stat().st_size


def test_what_lies_in_another_remote_is_not_looked_for_here(repository):
    file = repository / "published" / "small" / "large.dvc"
    file.write_text("outs: [{md5: 0123.dir, size: 1, path: large, remote: elsewhere}]\n")
    assert len(content(repository)) == 3


@pytest.mark.parametrize("damaged", [b"second", b"[]"])
def test_a_damaged_or_missing_object_is_named(repository, damaged):
    path = object_of(repository, damaged)
    told = rf"{path.relative_to(repository)}: damaged .*; restore it with `git checkout"
    path.write_bytes(damaged + b"!")
    with pytest.raises(UserError, match=told) as caught:
        check(repository)
    assert "\n" not in str(caught.value)
    path.unlink()
    with pytest.raises(UserError, match=f"{path.relative_to(repository)}: missing"):
        check(repository)


def test_a_cut_listing_is_damage_not_a_traceback(repository):
    listing = next(remote_folder(repository).glob("*/*.dir"))
    listing.write_bytes(listing.read_bytes()[:20])
    with pytest.raises(UserError, match="damaged"):
        content(repository)


def test_pruning_removes_only_what_nothing_names(repository):
    old = object_of(repository, b"of an older publication")
    kept = {path for path in remote_folder(repository).glob("*/*") if path != old}
    assert prune(repository) == [old]
    assert set(remote_folder(repository).glob("*/*")) == kept
    assert prune(repository) == []
    check(repository)


def test_a_folder_in_which_nothing_was_published_is_not_sound(tmp_path):
    with pytest.raises(UserError, match="holds no folder published"):
        check(tmp_path)
