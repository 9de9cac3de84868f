"""The Hugging Face hub, asked only where it answers: its client would wait for half a minute."""

import socket
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

PATIENCE = 5.0
"""Seconds in which the hub has to take a connection."""


@contextmanager
def asked_briefly() -> Iterator[None]:
    """Let the hub's client read its cache alone, for this block, where the hub cannot be reached.

    The client tries an address again and again, and its errors come only then; offline they come
    at once, and what was fetched before is still found.
    """
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE or hub_answers(constants.ENDPOINT):
        yield
        return
    constants.HF_HUB_OFFLINE = True
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = False


def hub_answers(address: str) -> bool:
    """Return whether a connection to an address, or to the proxy before it, is taken in time."""
    place = urlsplit(address)
    proxy = urllib.request.getproxies().get(place.scheme)
    if proxy and not urllib.request.proxy_bypass(place.hostname or ""):
        place = urlsplit(proxy if "//" in proxy else f"//{proxy}")
    port = place.port or (80 if place.scheme == "http" else 443)
    try:
        with socket.create_connection((place.hostname or "", port), timeout=PATIENCE):
            return True
    except OSError:
        return False
