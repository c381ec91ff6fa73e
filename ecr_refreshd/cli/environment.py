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
    return {name: told(name, environ[name]) for name in (*COMPARED, *_ALSO) if environ.get(name)}


def told(name: str, value: str) -> str:
    """Return what may be told of a variable's value."""
    return _without_password(value) if name in _PROXIES else value


def _without_password(value: str) -> str:
    try:
        parts = urlsplit(value)
    except ValueError:
        return "***"
    if parts.netloc:
        host = parts.netloc.rpartition("@")[2]
        return parts._replace(netloc=f"***@{host}").geturl() if host != parts.netloc else value
    # A proxy may stand there without its scheme, and its password with it.
    return f"***@{value.rpartition('@')[2]}" if "@" in value else value
