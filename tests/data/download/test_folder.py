"""Mirrors that are folders: what they hold is linked and not copied."""

import pytest

from neco.data.download import fetch_archive
from neco.errors import UserError
from tests.data.download.server import DATA, NAME


@pytest.mark.parametrize("form", [str, lambda path: path.as_uri()])
def test_a_folder_is_linked_not_copied(folder, tmp_path, form):
    path = fetch_archive(NAME, tmp_path / "into", [form(folder)])
    assert path.samefile(folder / NAME) and path.read_bytes() == DATA


def test_without_hard_links_a_symbolic_one_is_made(folder, tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError("Invalid cross-device link")

    monkeypatch.setattr("pathlib.Path.hardlink_to", refuse)
    path = fetch_archive(NAME, tmp_path / "into", [str(folder)])
    assert path.is_symlink() and path.samefile(folder / NAME)


def test_a_link_to_a_mirror_that_moved_is_renewed(folder, tmp_path):
    into = tmp_path / "into"
    into.mkdir()
    (into / NAME).symlink_to(tmp_path / "gone")
    assert fetch_archive(NAME, into, [str(folder)]).read_bytes() == DATA


def test_a_folder_of_images_is_linked_whole(tmp_path):
    images = tmp_path / "mirror" / "imagenet-100"
    images.mkdir(parents=True)
    path = fetch_archive("imagenet-100", tmp_path / "into", [str(tmp_path / "mirror")])
    assert path.resolve() == images


def test_a_folder_is_not_asked_of_a_web_server(server, tmp_path):
    server.files["mine"] = b"<html>a listing</html>"
    with pytest.raises(UserError, match="a folder is not fetched over the network"):
        fetch_archive("mine", tmp_path, [server.base])


def test_a_relative_link_in_a_mirror_leaves_no_dangling_one(tmp_path):
    store = tmp_path / "mirror" / "store"
    store.mkdir(parents=True)
    (store / "blob").write_bytes(DATA)
    (tmp_path / "mirror" / NAME).symlink_to("store/blob")
    path = fetch_archive(NAME, tmp_path / "deep" / "into", [str(tmp_path / "mirror")])
    assert path.read_bytes() == DATA and path.samefile(store / "blob")


def test_a_dangling_link_in_a_mirror_is_said(tmp_path):
    (tmp_path / NAME).symlink_to("gone")
    with pytest.raises(UserError, match="a dangling link in this folder"):
        fetch_archive(NAME, tmp_path / "into", [str(tmp_path)])


@pytest.mark.parametrize(
    ("mirror", "told"),
    [
        ("ftp://example.org/x", "only file, http and https addresses are asked"),
        ("afile", "a file; name its folder"),
        ("nowhere", "no such folder"),
    ],
)
def test_what_is_no_mirror_is_called_what_it_is(tmp_path, monkeypatch, mirror, told):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "afile").touch()
    with pytest.raises(UserError, match=rf"tried {mirror} \({told}\)"):
        fetch_archive(NAME, tmp_path / "into", [mirror])


def test_a_linked_folder_of_a_mirror_is_linked_to_where_it_lies(tmp_path):
    (tmp_path / "store").mkdir()
    (tmp_path / "mirror").mkdir()
    (tmp_path / "mirror" / "mine").symlink_to("../store")
    path = fetch_archive("mine", tmp_path / "deep" / "into", [str(tmp_path / "mirror")])
    assert path.resolve() == tmp_path / "store"
