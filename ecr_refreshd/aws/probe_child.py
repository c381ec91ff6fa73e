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
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from http.client import HTTPException
from typing import Any

from ecr_refreshd.aws.classify_network import TUNNEL
from ecr_refreshd.aws.redact import first_line
from ecr_refreshd.aws.trust import NoRedirect, trusting

_SECONDS = 8.0
_AT_A_TIME = 8
_MOST = 65536
"""Bytes of an answer that are read."""
_REFUSALS = frozenset({400, 401, 403})


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
    """Return what kept a question from being asked, in the system's or the proxy's words."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted ({error.verify_message})"
    if isinstance(error, ssl.SSLError):
        return f"no TLS connection could be made ({error.reason or type(error).__name__})"
    if isinstance(error, OSError) and not error.strerror and (refused := TUNNEL.search(str(error))):
        return f"the proxy refuses the connection: {refused['status']}{refused['reason'].rstrip()}"
    text = error.strerror if isinstance(error, OSError) else ""
    return text or (
        f"no answer within {_SECONDS:g} s" if isinstance(error, TimeoutError) else type(error).__name__
    )


def main() -> None:
    """Ask about each."""
    bundle = os.environ.get("AWS_CA_BUNDLE")
    context = trusting([bundle] if bundle else [])

    def tell(each: dict[str, Any]) -> None:
        answer, detail = ask(each["host"], each["auth"], context)
        line = json.dumps({"number": each["number"], "answer": answer, "detail": detail})
        os.write(1, line.encode() + b"\n")

    with ThreadPoolExecutor(_AT_A_TIME) as pool:
        list(pool.map(tell, json.load(sys.stdin)))


if __name__ == "__main__":
    main()
