"""The service in one line, as `systemctl status` and the log show it."""

from __future__ import annotations

from datetime import UTC
from typing import Any

import pytest

from ecr_refreshd.core.statusline import started_text, status_text
from tests.cli.documents import LOGIN_ENDED, NOW, at, document, registry

DENIED = registry(phase="blocked", next_renewal_at=at(hours=4))


@pytest.mark.parametrize(
    ("rows", "status", "started"),
    [
        ([], "no registry is kept", "keeping no registry yet"),
        ([registry()], "1 fresh, next renewal 12:12", "keeping 1 registry, next renewal 12:12"),
        (
            [registry(), DENIED, registry(next_renewal_at=at(hours=1))],
            "2 fresh, 1 blocked, next renewal 12:12",
            "keeping 3 registries, next renewal 12:12",
        ),
        (
            [registry(), LOGIN_ENDED],
            "sign in: aws sso login --sso-session corp",
            "keeping 2 registries, 1 needs a sign-in",
        ),
        (
            [registry(phase="renewing", next_renewal_at=None)],
            "1 renewing",
            "keeping 1 registry, renewing 1 now",
        ),
    ],
)
def test_what_counts_is_said(rows: list[dict[str, Any]], status: str, started: str) -> None:
    told = document(*rows)

    assert status_text(told, NOW, UTC) == status
    assert started_text(told, NOW, UTC) == f"ecr-refreshd 0.1.0: {started}"


def test_a_host_that_nobody_here_can_serve_asks_for_no_sign_in() -> None:
    told = document(registry(), LOGIN_ENDED | {"counts": False})

    assert status_text(told, NOW, UTC).startswith("1 fresh, 1 sign-in needed, next renewal")


def test_the_summary_of_the_document_goes_before_our_own_count() -> None:
    told = document(registry(), summary="1 fresh, 2 skipped")

    assert status_text(told, NOW, UTC) == "1 fresh, 2 skipped, next renewal 12:12"


def test_before_the_first_look_it_is_starting() -> None:
    assert status_text(document(overall="starting"), NOW, UTC) == "starting"
