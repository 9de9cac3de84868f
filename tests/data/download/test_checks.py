"""What is refused: another content or size, a web page, no end, a name that leads elsewhere."""

import hashlib

import pytest

from neco.data import download
from neco.data.download import fetch_archive
from neco.errors import UserError
from tests.data.download.server import DATA, NAME, SIZE, names


def test_a_wrong_digest_from_the_official_source_removes_the_download(server, tmp_path, known):
    known(url=f"{server.base}/{NAME}", digest=f"sha256:{'0' * 64}")
    with pytest.raises(UserError, match=rf"{NAME}: wrong sha256 digest .* expected 0+; the downl"):
        fetch_archive(NAME, tmp_path / "into", ["official"])
    assert names(tmp_path / "into") == []


def test_a_wrong_size_from_the_official_source_is_refused(server, tmp_path, known):
    known(url=f"{server.base}/{NAME}", size=len(DATA) + 1)
    with pytest.raises(UserError, match="1,024,004 bytes instead of 1,024,005"):
        fetch_archive(NAME, tmp_path / "into", ["official"])
    assert names(tmp_path / "into") == []


def test_sums_of_a_web_mirror_decide(server, tmp_path):
    server.files["SHA256SUMS"] = f"{hashlib.sha256(b'other').hexdigest()}  {NAME}\n".encode()
    with pytest.raises(UserError, match="wrong sha256 digest"):
        fetch_archive(NAME, tmp_path / "into", [server.base])
    server.files["SHA256SUMS"] = f"{hashlib.sha256(DATA).hexdigest()} *./{NAME}\n".encode()
    assert fetch_archive(NAME, tmp_path / "into", [server.base]).read_bytes() == DATA


def test_sums_of_a_folder_decide_over_the_official_digest(folder, tmp_path, known):
    known(digest=f"md5:{'0' * 32}")
    (folder / "SHA256SUMS").write_text(f"{hashlib.sha256(DATA).hexdigest()}  {NAME}\n")
    assert fetch_archive(NAME, tmp_path / "into", [str(folder)]).exists()
    (folder / "SHA256SUMS").write_text(f"{'1' * 64}  {NAME}\n")
    with pytest.raises(UserError, match=r"a mirror/val2017\.zip: wrong sha256.*not taken over"):
        fetch_archive(NAME, tmp_path / "other", [str(folder)])
    assert names(tmp_path / "other") == [] and (folder / NAME).exists()


def test_a_mirror_with_the_official_size_must_have_the_official_digest(folder, tmp_path, known):
    known(digest=f"md5:{'0' * 32}")
    with pytest.raises(UserError, match="wrong md5 digest"):
        fetch_archive(NAME, tmp_path / "into", [str(folder)])


def test_a_mirror_may_hold_a_subset(folder, tmp_path, known):
    known(size=10 * len(DATA), digest=f"md5:{'0' * 32}")
    assert fetch_archive(NAME, tmp_path / "into", [str(folder)]).exists()


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"<!DOCTYPE html>\n<html><body>Sign in</body></html>", "a web page"),
        (b"\xef\xbb\xbf  <HTML><head>403</head></HTML>", "a web page"),
        (b"<!-- moved -->\n<html></html>", "a web page"),
        (
            b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 3\n",
            "a Git LFS pointer",
        ),
        (b"not found", r"no \.zip file"),
    ],
)
def test_a_page_under_an_archives_name_is_refused(server, tmp_path, content, kind):
    server.files[NAME] = content
    with pytest.raises(UserError, match=f"sends {kind}"):
        fetch_archive(NAME, tmp_path / "into", [server.base])
    assert names(tmp_path / "into") == []
    folder = tmp_path / "mirror"
    folder.mkdir()
    (folder / NAME).write_bytes(content)
    with pytest.raises(UserError, match=f"is {kind}"):
        fetch_archive(NAME, tmp_path / "into", [str(folder)])
    with pytest.raises(UserError, match=f"is {kind}.*remove it"):  # also where one lies from before
        fetch_archive(NAME, folder, [server.base])


@pytest.mark.parametrize("value", ["abc", "-5", "1e6", "12, 12", None])
def test_a_malformed_length_is_no_traceback(server, tmp_path, value):
    server.headers = {"Content-Length": value}
    assert fetch_archive(NAME, tmp_path, [server.base]).read_bytes() == DATA


@pytest.mark.parametrize("name", [NAME, "unknown.zip"])
def test_an_endless_body_stops(server, tmp_path, known, monkeypatch, name):
    known(size=3 * len(DATA))
    monkeypatch.setattr(download, "UNDECLARED", 3 * len(DATA))
    server.files["unknown.zip"] = DATA
    server.endless, server.headers, server.troubled = True, {"Content-Length": None}, name
    with pytest.raises(UserError, match=rf"sends more than the {3 * SIZE:,} bytes"):
        fetch_archive(name, tmp_path, [server.base])
    assert names(tmp_path) == []


def test_more_than_the_official_size_is_not_even_begun(server, tmp_path, known):
    known(size=SIZE - 1)
    with pytest.raises(UserError, match=rf"declares {SIZE:,} bytes, more than the {SIZE - 1:,}"):
        fetch_archive(NAME, tmp_path, [server.base])
    assert names(tmp_path) == []


def test_what_the_disk_has_no_room_for_is_not_begun(server, tmp_path, known):
    known(size=10**18)
    server.headers = {"Content-Length": str(10**18)}
    with pytest.raises(UserError, match=r"has 1,0+.* bytes, but .* has room for"):
        fetch_archive(NAME, tmp_path, [server.base])


@pytest.mark.parametrize("name", ["../evil.zip", "/tmp/evil.zip", "a/b.zip", "..", ""])
def test_a_name_that_leads_elsewhere_is_refused(folder, tmp_path, name):
    with pytest.raises(UserError, match="is no file name"):
        fetch_archive(name, tmp_path / "into", [str(folder)])
