"""What a test needs of the machine: elsewhere it skips with the reason, in CI it fails with it."""

from __future__ import annotations

import os

import pytest


def need(condition: object, reason: str) -> None:
    """Skip the test unless `condition` holds; in CI, where everything can be installed, fail it instead."""
    if condition:
        return
    if os.environ.get("CI") == "true":
        pytest.fail(f"CI installs everything this test needs, but: {reason}")
    pytest.skip(reason)
