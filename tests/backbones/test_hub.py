"""A hub that does not answer is not waited for; one that answers is asked as usual."""

import socket

import pytest
from huggingface_hub import constants

from neco.backbones import hub


def test_an_address_answers_where_somebody_listens(monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert hub.hub_answers(f"http://127.0.0.1:{port}")
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{port}")
        assert hub.hub_answers("http://nowhere.invalid")  # the proxy is what has to answer
        monkeypatch.delenv("http_proxy")
    assert not hub.hub_answers(f"http://127.0.0.1:{port}")
    assert not hub.hub_answers("https://nowhere.invalid")


@pytest.mark.parametrize("answers", [True, False])
def test_the_client_is_offline_for_the_block_alone(monkeypatch, answers):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(hub, "hub_answers", lambda address: answers)
    with pytest.raises(KeyError), hub.asked_briefly():
        assert answers != constants.HF_HUB_OFFLINE
        raise KeyError
    assert constants.HF_HUB_OFFLINE is False


def test_who_is_offline_stays_so(monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with hub.asked_briefly():
        assert constants.HF_HUB_OFFLINE is True
    assert constants.HF_HUB_OFFLINE is True
