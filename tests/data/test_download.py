import contextlib
import hashlib
import json
import os
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from neco.data import download
from neco.data.download import fetch_archive
from neco.data.sources import Archive
from neco.errors import UserError

DATA = b"PK\x03\x04" + bytes(range(256)) * 4000  # 1 MB, like a zip
NAME = "val2017.zip"
DIGEST = f"md5:{hashlib.md5(DATA).hexdigest()}"
SIZE = len(DATA)


class Server(ThreadingHTTPServer):
    """Serves `files`; keeps every request; `cut` bytes are sent before the line goes dead."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.files = {NAME: DATA}
        self.ranges = True
        self.etag = '"1"'
        self.cut = []
        self.shift = []
        self.headers = {}
        self.endless = False
        self.failures = []
        self.asked = []

    @property
    def base(self):
        return f"http://127.0.0.1:{self.server_port}/mirror"

    def asked_for(self, name):
        return [given for path, given in self.asked if path.endswith(name)]


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        server, name = self.server, self.path.rpartition("/")[2]
        given = self.headers.get("Range")
        server.asked.append((self.path, given))
        if name not in server.files:
            return self.send_error(404)
        if name == NAME and server.failures:
            return self.send_error(server.failures.pop(0))
        data, start = server.files[name], 0
        same = self.headers.get("If-Range") in (None, server.etag)
        if given and server.ranges and same:
            start = int(re.fullmatch(r"bytes=(\d+)-", given)[1])
            if start >= len(data):
                return self.send_error(416)
            self.send_response(206)
            start += server.shift.pop(0) if server.shift else 0
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        else:
            self.send_response(200)
        headers = {"Content-Length": str(len(data) - start), "ETag": server.etag}
        for key, value in (headers | (server.headers if name == NAME else {})).items():
            if value is not None:
                self.send_header(key, value)
        self.end_headers()
        if server.endless and name == NAME:
            with contextlib.suppress(ConnectionError):
                while True:
                    self.wfile.write(data)
        end = start + server.cut.pop(0) if name == NAME and server.cut else None
        self.wfile.write(data[start:end])
        self.close_connection = True
        return None

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    server = Server()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(autouse=True)
def patient(monkeypatch):
    monkeypatch.setattr(download, "PAUSE", 0.0)
    monkeypatch.setattr(download, "BLOCK", 1 << 14)


@pytest.fixture
def known(monkeypatch):
    """Register NAME as an official archive whose content is DATA."""

    def register(url="", digest=DIGEST, size=SIZE):
        entry = Archive(NAME, url, size, True, digest, "a test", "free")
        monkeypatch.setattr(download, "archives", lambda: {NAME: entry})

    return register


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_broken_off_download_is_resumed_in_place(server, tmp_path):
    server.cut = [300_000, 200_000]
    path = fetch_archive(NAME, tmp_path, [server.base])
    assert path == tmp_path / NAME and path.read_bytes() == DATA
    assert server.asked_for(NAME) == [None, "bytes=300000-", "bytes=500000-"]
    assert names(tmp_path) == [NAME]


def test_a_later_call_resumes_what_an_earlier_one_left(server, tmp_path, monkeypatch):
    monkeypatch.setattr(download, "ATTEMPTS", 1)
    server.cut = [300_000]
    with pytest.raises(UserError, match=rf"300,000 of 1,024,004.*{NAME}\.partial is kept"):
        fetch_archive(NAME, tmp_path, [server.base])
    assert (tmp_path / f"{NAME}.partial").stat().st_size == 300_000
    assert fetch_archive(NAME, tmp_path, [server.base]).read_bytes() == DATA
    assert server.asked_for(NAME)[-1] == "bytes=300000-"


def test_a_server_without_ranges_starts_over(server, tmp_path):
    server.ranges = False
    server.cut = [300_000]
    assert fetch_archive(NAME, tmp_path, [server.base]).read_bytes() == DATA


def test_a_file_that_changed_meanwhile_starts_over(server, tmp_path, monkeypatch):
    monkeypatch.setattr(download, "ATTEMPTS", 1)
    server.cut = [300_000]
    with pytest.raises(UserError):
        fetch_archive(NAME, tmp_path, [server.base])
    server.files[NAME], server.etag = DATA + b"!", '"2"'
    assert fetch_archive(NAME, tmp_path, [server.base]).read_bytes() == DATA + b"!"


def test_a_partial_of_another_mirror_is_not_continued(server, tmp_path):
    (tmp_path / f"{NAME}.partial").write_bytes(b"something else")
    assert fetch_archive(NAME, tmp_path, [server.base]).read_bytes() == DATA


def test_a_complete_partial_is_not_fetched_again(server, tmp_path, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(download, "_verify", interrupted)
        with pytest.raises(KeyboardInterrupt):
            fetch_archive(NAME, tmp_path, [server.base])
    fetch_archive(NAME, tmp_path, [server.base])
    assert server.asked_for(NAME) == [None]


def test_a_busy_server_is_asked_again(server, tmp_path):
    server.failures = [503, 429]
    assert fetch_archive(NAME, tmp_path, [server.base]).read_bytes() == DATA


def test_mirrors_are_asked_in_order(server, tmp_path, known):
    known(url=f"{server.base}/official/{NAME}")
    other = Server()  # refuses: it is never started, its port only listens
    other.server_close()
    (tmp_path / "empty").mkdir()
    mirrors = ["/no/such/folder", str(tmp_path / "empty"), other.base, "official", server.base]
    assert fetch_archive(NAME, tmp_path / "into", mirrors).read_bytes() == DATA
    assert [path for path, _ in server.asked] == [f"/mirror/official/{NAME}"]


def test_missing_everywhere_names_file_mirrors_and_remedy(server, tmp_path):
    del server.files[NAME]
    with pytest.raises(UserError) as caught:
        fetch_archive(NAME, tmp_path / "into", [str(tmp_path), server.base])
    message = str(caught.value)
    assert "\n" not in message
    for part in (NAME, f"{tmp_path} (not in this folder)", f"{server.base} (HTTP 404)", "mirror"):
        assert part in message
    assert names(tmp_path / "into") == []


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


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "a mirror"
    folder.mkdir()
    (folder / NAME).write_bytes(DATA)
    return folder


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


def test_what_is_there_is_not_fetched(tmp_path):
    (tmp_path / NAME).write_bytes(b"PK\x03\x04kept")
    assert fetch_archive(NAME, tmp_path, []).read_bytes() == b"PK\x03\x04kept"


def test_no_mirror_at_all_is_said_plainly(tmp_path):
    with pytest.raises(UserError, match="tried no mirror"):
        fetch_archive(NAME, tmp_path, [])


@pytest.mark.parametrize("shift", [-100_000, 100_000])
def test_a_part_that_starts_elsewhere_is_not_appended(server, tmp_path, shift):
    server.cut, server.shift = [300_000], [shift]
    assert fetch_archive(NAME, tmp_path, [server.base]).read_bytes() == DATA
    assert server.asked_for(NAME) == [None, "bytes=300000-", None]


@pytest.mark.parametrize("value", ["bytes */1024004", "bytes 300000", "nonsense", None])
def test_a_part_that_does_not_say_where_it_starts_is_not_appended(server, tmp_path, value):
    partial = tmp_path / f"{NAME}.partial"
    partial.write_bytes(DATA[:300_000])
    record = {"url": f"{server.base}/{NAME}", "total": len(DATA), "validator": ""}
    download._record(partial).write_text(json.dumps(record))
    server.headers = {"Content-Range": value}
    original = Handler.send_header

    def only_ours(handler, key, given):
        if key != "Content-Range" or given == value:
            original(handler, key, given)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Handler, "send_header", only_ours)
        path = fetch_archive(NAME, tmp_path, [server.base])
    assert path.read_bytes() == DATA


@pytest.mark.parametrize("value", ["abc", "-5", "1e6", "12, 12", None])
def test_a_malformed_length_is_no_traceback(server, tmp_path, value):
    server.headers = {"Content-Length": value}
    assert fetch_archive(NAME, tmp_path, [server.base]).read_bytes() == DATA


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


def test_the_next_mirror_is_asked_after_a_page(server, tmp_path):
    other = Server()
    other.files[NAME] = b"<html>log in</html>"
    thread = threading.Thread(target=other.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        path = fetch_archive(NAME, tmp_path, [other.base, server.base])
    finally:
        other.shutdown()
        thread.join()
        other.server_close()
    assert path.read_bytes() == DATA


@pytest.mark.parametrize("name", [NAME, "unknown.zip"])
def test_an_endless_body_stops(server, tmp_path, known, monkeypatch, name):
    known(size=3 * len(DATA))
    monkeypatch.setattr(download, "UNDECLARED", 3 * len(DATA))
    server.files["unknown.zip"] = DATA
    server.endless, server.headers = True, {"Content-Length": None}
    monkeypatch.setattr(f"{__name__}.NAME", name)
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


@pytest.mark.parametrize("mirror", ["http://", "http://[", "https://a b/", "http://127.0.0.1:x"])
def test_a_mirror_that_is_no_address_is_one_line(tmp_path, mirror):
    with pytest.raises(UserError, match="found nowhere"):
        fetch_archive(NAME, tmp_path, [mirror])


@pytest.mark.parametrize("name", ["../evil.zip", "/tmp/evil.zip", "a/b.zip", "..", ""])
def test_a_name_that_leads_elsewhere_is_refused(folder, tmp_path, name):
    with pytest.raises(UserError, match="is no file name"):
        fetch_archive(name, tmp_path / "into", [str(folder)])


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


def test_a_linked_folder_of_a_mirror_is_linked_to_where_it_lies(tmp_path):
    (tmp_path / "store").mkdir()
    (tmp_path / "mirror").mkdir()
    (tmp_path / "mirror" / "mine").symlink_to("../store")
    path = fetch_archive("mine", tmp_path / "deep" / "into", [str(tmp_path / "mirror")])
    assert path.resolve() == tmp_path / "store"


def test_others_may_read_what_was_fetched(server, tmp_path):
    before = os.umask(0o022)
    try:
        path = fetch_archive(NAME, tmp_path, [server.base])
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o777 == 0o644
