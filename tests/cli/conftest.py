"""A home for commands."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.running import House


@pytest.fixture
def house(tmp_path: Path) -> House:
    """A user's home, empty."""
    return House(tmp_path)
