from __future__ import annotations

import pytest

from tests.aws.asking import Asking
from tests.world.aws import FakeAws


@pytest.fixture
def aws():
    with FakeAws() as server:
        yield server


@pytest.fixture
def asking(aws, tmp_path):
    """A fetcher whose home is `tmp_path` and whose AWS is `aws`."""
    with Asking(aws.environment(tmp_path)) as started:
        yield started
