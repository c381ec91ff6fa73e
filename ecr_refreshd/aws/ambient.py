"""The ambient chain: credentials that come from where a process runs, not from a profile. Told offline.

It is: keys in the environment, web identity (IRSA), container credentials (ECS, EKS pod identity), and the
instance profile of an EC2 instance. A workstation is never asked for a metadata service it does not have.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

_EMPTY: Mapping[str, str] = MappingProxyType({})
_DMI = ("devices/virtual/dmi/id/sys_vendor", "devices/virtual/dmi/id/bios_vendor")


def exists(
    environ: Mapping[str, str], system: Path = Path("/sys"), scope: Mapping[str, str] = _EMPTY
) -> bool:
    """Return whether asking the ambient chain makes sense here.

    Args:
        environ: the environment that the AWS child will have.
        system: where the kernel describes the machine.
        scope: the keys of the profile whose region and endpoints it uses.
    """
    return has_keys(environ) or has_web_identity(environ) or gives_machine_role(environ, system, scope)


def has_web_identity(environ: Mapping[str, str]) -> bool:
    """Return whether the environment names a token and the role that it is traded for (IRSA)."""
    return bool(environ.get("AWS_WEB_IDENTITY_TOKEN_FILE") and environ.get("AWS_ROLE_ARN"))


def gives_machine_role(
    environ: Mapping[str, str], system: Path = Path("/sys"), scope: Mapping[str, str] = _EMPTY
) -> bool:
    """Return whether a container's or an instance's credentials may be there to be asked for."""
    return (
        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI" in environ
        or "AWS_CONTAINER_CREDENTIALS_FULL_URI" in environ
        or _has_metadata(environ, system, scope)
    )


def has_keys(environ: Mapping[str, str]) -> bool:
    """Return whether keys stand in the environment; they go before everything else of the chain."""
    return bool(environ.get("AWS_ACCESS_KEY_ID"))


def has_session_keys(environ: Mapping[str, str]) -> bool:
    """Return whether those keys end at some time, and only whoever put them there can renew them."""
    token = environ.get("AWS_SESSION_TOKEN") or environ.get("AWS_SECURITY_TOKEN")
    return has_keys(environ) and bool(token)


def _has_metadata(environ: Mapping[str, str], system: Path, scope: Mapping[str, str]) -> bool:
    if environ.get("AWS_EC2_METADATA_DISABLED", "").lower() == "true":
        return False
    named = environ.get("AWS_EC2_METADATA_SERVICE_ENDPOINT") or scope.get("ec2_metadata_service_endpoint")
    return bool(named) or is_instance(system)


def is_instance(system: Path = Path("/sys")) -> bool:
    """Return whether this is an EC2 instance, by what its firmware says (Nitro: vendor; Xen: UUID)."""
    if any("Amazon EC2" in _text(system / name) for name in _DMI):
        return True
    return _text(system / "hypervisor/uuid").lower().startswith("ec2")


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""
