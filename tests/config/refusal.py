"""What every refused configuration has in common."""

import pytest

from neco.config import Project
from neco.config.base import validated
from neco.errors import UserError


def refused(values: dict, match: str) -> None:
    with pytest.raises(UserError, match=match) as caught:
        validated(Project, values, "my.yaml")
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith("my.yaml: ")
