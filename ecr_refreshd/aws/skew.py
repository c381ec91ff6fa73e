"""How far this machine's clock is from AWS's, by the date in an answer; no credential is sent."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Iterable
from datetime import timedelta
from http.client import HTTPException

from ecr_refreshd.aws.answers import http_date
from ecr_refreshd.aws.probe_child import words
from ecr_refreshd.aws.trust import NoRedirect, trusting
from ecr_refreshd.core.ports import Clock

_SECONDS = 5.0


def ahead(url: str, bundles: Iterable[str], clock: Clock) -> timedelta | str:
    """Return by how much this clock is ahead of the server's (negative: behind), or why that cannot be told.

    Args:
        url: of a registry, or of an endpoint in its place.
        bundles: files of certificates that are trusted beside the system's; proxies are those of this process.
        clock: this machine's.
    """
    # Nothing is followed: a portal's clock is not AWS's.
    opener = urllib.request.build_opener(NoRedirect, urllib.request.HTTPSHandler(context=trusting(bundles)))
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
    there = http_date(date)
    if there is None:
        return "its answer tells no time"
    # The date has no fractions of a second, and was written at some moment between these two.
    early, late = before - there - timedelta(seconds=1), after - there
    if early <= timedelta(0) <= late:
        return timedelta(0)
    return early if early > timedelta(0) else late
