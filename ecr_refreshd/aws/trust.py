"""Tell whose TLS certificates are trusted: by the process that asks AWS, by the system, and by this profile.

botocore reads neither the system's list nor SSL_CERT_FILE: only AWS_CA_BUNDLE, the profile's ca_bundle,
REQUESTS_CA_BUNDLE, or else the list that comes with it. That is the trap behind a company's proxy: curl works.
"""

from __future__ import annotations

import os
import ssl
import urllib.error
import urllib.request
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from http.client import HTTPException

_SECONDS = 3.0
_SYSTEM_FILES = (
    "/etc/ssl/certs/ca-certificates.crt",  # Debian, Arch, Alpine
    "/etc/pki/tls/certs/ca-bundle.crt",  # Fedora, RHEL, Amazon Linux
    "/etc/ssl/ca-bundle.pem",  # SUSE
    "/etc/ssl/cert.pem",  # macOS
)


@dataclass(frozen=True, slots=True)
class Trust:
    """Who is trusted where a certificate was refused.

    Attributes:
        child: what the process that asks AWS trusts, in words.
        system_file: the list of the system, if a connection that trusts it came about; "" if not.
    """

    child: str
    system_file: str


class NoRedirect(urllib.request.HTTPRedirectHandler):
    """Follows nothing: what is sent is for that host alone, and a portal's answer is not AWS's."""

    def redirect_request(self, *_args: object, **_more: object) -> None:
        """Return None: then urllib reports the answer as it is."""


def bundle_of(keys: Mapping[str, str], environ: Mapping[str, str]) -> str:
    """Return the file that AWS programs trust for a profile with these keys; "" for their own list."""
    return environ.get("AWS_CA_BUNDLE") or keys.get("ca_bundle") or environ.get("REQUESTS_CA_BUNDLE") or ""


def fault_of(bundle: str) -> str:
    """Return what keeps a file of trusted certificates from being used, its path first; "" if nothing does."""
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(os.path.expanduser(bundle))  # noqa: PTH111 - as botocore has it
    except ssl.SSLError:
        return f"{bundle} holds no certificate"
    except FileNotFoundError:
        return f"{bundle} does not exist"
    except OSError as error:
        if os.path.isdir(bundle):  # noqa: PTH112 - a text
            return ""  # a folder of certificates, which is another way to name them
        return f"{bundle} cannot be read ({error.strerror or type(error).__name__})"
    return ""


def of_child(url: str, keys: Mapping[str, str], environ: Mapping[str, str]) -> Trust:
    """Return who is trusted for a connection whose certificate was refused; waits 3 s at most."""
    bundle = bundle_of(keys, environ)
    child = f"the certificates in {bundle}" if bundle else "the list of authorities that comes with botocore"
    file = environ.get("SSL_CERT_FILE") or next(filter(os.path.isfile, _SYSTEM_FILES), "")
    return Trust(child, file if file and _answers(url, trusting(())) else "")


def trusting(bundles: Iterable[str]) -> ssl.SSLContext:
    """Return a context that trusts whom the system does, and the certificates in these files."""
    context = ssl.create_default_context()
    for bundle in bundles:
        with suppress(OSError):
            context.load_verify_locations(os.path.expanduser(bundle))  # noqa: PTH111 - as botocore has it
    return context


def _answers(url: str, context: ssl.SSLContext) -> bool:
    """Return whether anything at all answers over TLS; no credential is sent."""
    if not url.startswith("https://"):
        return False
    opener = urllib.request.build_opener(NoRedirect, urllib.request.HTTPSHandler(context=context))
    try:
        with opener.open(urllib.request.Request(url, method="HEAD"), timeout=_SECONDS):  # noqa: S310 - https, see above
            return True
    except urllib.error.HTTPError as error:
        error.close()
        return True
    except (OSError, ValueError, HTTPException):
        return False
