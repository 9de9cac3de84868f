"""A download that breaks off goes on where it stopped, and starts over where it must."""

import json
import os

import pytest

from neco.data import download
from neco.data.download import fetch_archive
from neco.errors import UserError
from tests.data.download.server import DATA, NAME, Handler, names


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


def test_others_may_read_what_was_fetched(server, tmp_path):
    before = os.umask(0o022)
    try:
        path = fetch_archive(NAME, tmp_path, [server.base])
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o777 == 0o644
