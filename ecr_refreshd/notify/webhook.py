"""Posts notices to a webhook, in a short process: TLS and HTTP would cost the service 8 MiB for good.

The URL is a secret (whoever knows it may post), so it goes by stdin and into no text, argument or environment.
"""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
import urllib.error
import urllib.request
from contextlib import suppress

from ecr_refreshd.core.settings import Webhook
from ecr_refreshd.notify.programs import SECONDS, Programs, python


def post(programs: Programs, hook: Webhook, line: str) -> str:
    """Post a line of JSON; return why that did not go well, "" if it did."""
    started = programs.start(python(__name__), answers=True)
    if isinstance(started, str):
        return f"The webhook {hook.shown} could not be posted to: {started}"
    try:
        said, _ = started.communicate(json.dumps({"url": hook.url.reveal(), "line": line}).encode(), SECONDS)
    except subprocess.TimeoutExpired:
        said = b"no answer within 10 s"
    finally:
        programs.end(started)
    problem = said.decode(errors="replace").strip()
    return (
        ""
        if problem == "posted"
        else f"The webhook {hook.shown} did not take it: {problem or 'it broke off'}."
    )


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Follows nothing: the text was meant for the URL that was named."""

    def redirect_request(self, *_args: object, **_more: object) -> None:
        """Return None: then urllib reports the answer as it is."""


def main() -> None:
    """Post what stdin says; print ``posted``, or what was wrong."""
    asked = json.load(sys.stdin)
    try:
        request = urllib.request.Request(  # noqa: S310 - the settings allow http and https only
            asked["url"],
            asked["line"].encode(),
            {"Content-Type": "application/json", "User-Agent": "ecr-refreshd"},
        )
        with urllib.request.build_opener(_NoRedirect).open(request, timeout=SECONDS):
            problem = "posted"
    except urllib.error.HTTPError as error:
        problem = f"HTTP {error.code}"
        error.close()
    except urllib.error.URLError as error:
        problem = _reason(error.reason)
    except (OSError, ValueError, http.client.HTTPException) as error:
        problem = _reason(error)
    with suppress(OSError):
        print(problem, flush=True)


def _reason(error: object) -> str:
    """Return what went wrong on the way there, without the URL that some exceptions quote."""
    text = error.strerror if isinstance(error, OSError) else ""
    return text or type(error).__name__


if __name__ == "__main__":
    main()
