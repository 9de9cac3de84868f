"""What holds for every test."""

import pytest
from hypothesis import settings

# A machine that others use too may take its time for any example.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")


@pytest.fixture(autouse=True)
def patient(monkeypatch):
    """Commands that are stopped may take their time here: leaving would end pytest's process."""
    monkeypatch.setattr("neco.processes.LEAVE", 600.0)
