"""Asks registries whether they take a token, in a short process: TLS and HTTP would cost the service 8 MiB.

One request on stdin, a list of hosts and tokens; one line on stdout for each, as soon as it is known. Only what a
registry itself has said is an answer: a proxy's or a portal's page is none.
"""

from __future__ import annotations

import json
import os
import ssl
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from http.client import HTTPException
from typing import Any

from ecr_refreshd.aws.redact import first_line

_SECONDS = 8.0
_AT_A_TIME = 8
_MOST = 65536
"""Bytes of an answer that are read."""
_REFUSALS = frozenset({400, 401, 403})


class NoRedirect(urllib.request.HTTPRedirectHandler):
    """Follows nothing: the token is for that host alone."""

    def redirect_request(self, *_args: object, **_more: object) -> None:
        """Return None: then urllib reports the answer as it is."""


def ask(host: str, auth: str, context: ssl.SSLContext) -> tuple[str, str]:
    """Return ``accepted``, ``refused`` or ``unknown``, and what the registry said."""
    handlers = (NoRedirect, urllib.request.HTTPSHandler(context=context))
    # Not add_header: then a CONNECT to a proxy would carry it too.
    request = urllib.request.Request(f"https://{host}/v2/")
    request.add_unredirected_header("Authorization", f"Basic {auth}")
    try:
        with urllib.request.build_opener(*handlers).open(request, timeout=_SECONDS) as answer:
            ours = "docker-distribution-api-version" in {name.lower() for name in answer.headers}
            return ("accepted", "") if ours else ("unknown", "something else than a registry answered")
    except urllib.error.HTTPError as error:
        with error:
            return _refusal(error.code, error.read(_MOST))
    except urllib.error.URLError as error:
        return "unknown", words(error.reason)
    except (OSError, ValueError, HTTPException) as error:
        return "unknown", words(error)


def _refusal(code: int, body: bytes) -> tuple[str, str]:
    said = ""
    with suppress(ValueError, KeyError, TypeError, IndexError, RecursionError):
        said = first_line(str(json.loads(body)["errors"][0]["message"]))
    if code not in _REFUSALS or not said:
        return "unknown", f"HTTP {code}"
    return "refused", f"HTTP {code}: {said}"


def words(error: object) -> str:
    """Return what kept a question from being asked, in the system's words; nothing that it carried."""
    if isinstance(error, ssl.SSLError):
        return "its certificate is not trusted"
    text = error.strerror if isinstance(error, OSError) else ""
    return text or type(error).__name__


def trusting(environ: Mapping[str, str]) -> ssl.SSLContext:
    """Return whom to trust: whom the system does, and whom AWS_CA_BUNDLE names."""
    context = ssl.create_default_context()
    bundle = environ.get("AWS_CA_BUNDLE")
    if bundle:
        with suppress(OSError):
            context.load_verify_locations(bundle)
    return context


def main() -> None:
    """Ask about each."""
    context = trusting(os.environ)

    def tell(each: dict[str, Any]) -> None:
        answer, detail = ask(each["host"], each["auth"], context)
        line = json.dumps({"number": each["number"], "answer": answer, "detail": detail})
        os.write(1, line.encode() + b"\n")

    with ThreadPoolExecutor(_AT_A_TIME) as pool:
        list(pool.map(tell, json.load(sys.stdin)))


if __name__ == "__main__":
    main()
