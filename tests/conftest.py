"""What holds for every test."""

import pytest


@pytest.fixture(autouse=True)
def patient(monkeypatch):
    """Commands that are stopped may take their time here: leaving would end pytest's process."""
    monkeypatch.setattr("neco.processes.LEAVE", 600.0)
