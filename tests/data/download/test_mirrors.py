"""Which mirror is asked, in which order, and what is said where none has the file."""

import threading

import pytest

from neco.data.download import fetch_archive
from neco.errors import UserError
from tests.data.download.server import DATA, NAME, Server, names


def test_mirrors_are_asked_in_order(server, tmp_path, known):
    known(url=f"{server.base}/official/{NAME}")
    other = Server()  # refuses: it is never started, its port only listens
    other.server_close()
    (tmp_path / "empty").mkdir()
    mirrors = ["/no/such/folder", str(tmp_path / "empty"), other.base, "official", server.base]
    assert fetch_archive(NAME, tmp_path / "into", mirrors).read_bytes() == DATA
    assert [path for path, _ in server.asked] == [f"/mirror/official/{NAME}"]


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


def test_a_busy_server_is_asked_again(server, tmp_path):
    server.failures = [503, 429]
    assert fetch_archive(NAME, tmp_path, [server.base]).read_bytes() == DATA


def test_missing_everywhere_names_file_mirrors_and_remedy(server, tmp_path):
    del server.files[NAME]
    with pytest.raises(UserError) as caught:
        fetch_archive(NAME, tmp_path / "into", [str(tmp_path), server.base])
    message = str(caught.value)
    assert "\n" not in message
    for part in (NAME, f"{tmp_path} (not in this folder)", f"{server.base} (HTTP 404)", "mirror"):
        assert part in message
    assert names(tmp_path / "into") == []


def test_no_mirror_at_all_is_said_plainly(tmp_path):
    with pytest.raises(UserError, match="tried no mirror"):
        fetch_archive(NAME, tmp_path, [])


@pytest.mark.parametrize("mirror", ["http://", "http://[", "https://a b/", "http://127.0.0.1:x"])
def test_a_mirror_that_is_no_address_is_one_line(tmp_path, mirror):
    with pytest.raises(UserError, match="found nowhere"):
        fetch_archive(NAME, tmp_path, [mirror])


def test_what_is_there_is_not_fetched(tmp_path):
    (tmp_path / NAME).write_bytes(b"PK\x03\x04kept")
    assert fetch_archive(NAME, tmp_path, []).read_bytes() == b"PK\x03\x04kept"
