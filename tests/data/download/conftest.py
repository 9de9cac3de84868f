"""A mirror on the web, one in a folder, and what is officially known about an archive."""

import threading

import pytest

from neco.data import download
from neco.data.sources import Archive
from tests.data.download.server import DATA, DIGEST, NAME, SIZE, Server


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


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "a mirror"
    folder.mkdir()
    (folder / NAME).write_bytes(DATA)
    return folder
