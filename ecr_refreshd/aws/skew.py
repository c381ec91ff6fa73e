"""How far this machine's clock is from AWS's, by the date in an answer; no credential is sent."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Mapping
from datetime import timedelta
from email.utils import parsedate_to_datetime
from http.client import HTTPException

from ecr_refreshd.aws.probe_child import NoRedirect, trusting, words
from ecr_refreshd.core.ports import Clock

_SECONDS = 5.0


def ahead(url: str, environ: Mapping[str, str], clock: Clock) -> timedelta | str:
    """Return by how much this clock is ahead of the server's (negative: behind), or why that cannot be told.

    Args:
        url: of a registry, or of an endpoint in its place.
        environ: may name certificates; proxies are those of this process.
        clock: this machine's.
    """
    # Nothing is followed: a portal's clock is not AWS's.
    opener = urllib.request.build_opener(NoRedirect, urllib.request.HTTPSHandler(context=trusting(environ)))
    before = clock.now().wall
    try:
        with opener.open(urllib.request.Request(url, method="HEAD"), timeout=_SECONDS) as answer:  # noqa: S310 - of our own making
            date = answer.headers.get("date", "")
    except urllib.error.HTTPError as error:  # a registry refuses whoever sends no login, and tells the time
        with error:
            date = error.headers.get("date", "")
    except urllib.error.URLError as error:
        return words(error.reason)
    except (OSError, ValueError, HTTPException) as error:
        return words(error)
    after = clock.now().wall
    try:
        there = parsedate_to_datetime(date)
    except (ValueError, TypeError):
        return "it did not tell the time"
    # The date has no fractions of a second, and was written at some moment between these two.
    early, late = before - there - timedelta(seconds=1), after - there
    if early <= timedelta(0) <= late:
        return timedelta(0)
    return early if early > timedelta(0) else late
