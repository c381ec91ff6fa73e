"""Which variables decide what the service does, and how far they may be shown.

A service has the environment of whoever started it: where that differs from a shell's, the two look at different
files and use different profiles, and nothing on the screen says so (DESIGN 8).
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

_PROXIES = ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "NO_PROXY", "no_proxy")
COMPARED = (
    "DOCKER_CONFIG",
    "REGISTRY_AUTH_FILE",
    "AWS_PROFILE",
    "AWS_CONFIG_FILE",
    "AWS_SHARED_CREDENTIALS_FILE",
    "AWS_CA_BUNDLE",
    "SSL_CERT_FILE",
    *_PROXIES,
)
"""Those that have to be the same; a difference is a fault."""
_ALSO = ("PATH", "HOME", "XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS")


def telling(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that matter, without a proxy's password; no key is among them."""
    return {name: masked(environ[name]) for name in (*COMPARED, *_ALSO) if environ.get(name)}


def masked(value: str) -> str:
    """Return a value without the password of a URL."""
    try:
        parts = urlsplit(value)
    except ValueError:
        return "***" if "@" in value else value
    if "@" not in parts.netloc:
        # A proxy may stand there without its scheme, and its password with it.
        return f"***@{value.rpartition('@')[2]}" if "@" in value and not parts.scheme else value
    return parts._replace(netloc=f"***@{parts.netloc.rpartition('@')[2]}").geturl()
