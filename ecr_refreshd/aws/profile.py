"""One AWS profile, and the account, partition and region that its keys name; read offline.

The account is the one in which the profile's credentials end up. Which key names it follows botocore's order of
providers: a role, SSO, keys in the file, `aws login`, a program.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from ecr_refreshd.aws.partitions import regions

_ARN = re.compile(r"\barn:(?P<partition>aws[a-z-]*):[a-z0-9-]+:[a-z0-9-]*:(?P<account>[0-9]{12}):")
_ACCOUNT = re.compile(r"[0-9]{12}", re.ASCII)
_KEY_ID = re.compile(r"(?:AKIA|ASIA)([A-Z2-7]{16})")
_GIVES_CREDENTIALS = (
    "role_arn", "web_identity_token_file", "sso_account_id", "sso_role_name", "aws_access_key_id",
    "aws_secret_access_key", "login_session", "credential_process",
)  # fmt: skip


def account_of_key(key_id: str) -> str:
    """Return the account whose number an access key id encodes; "" if it encodes none.

    A hint and no fact: the encoding is undocumented. Key ids of before 2019 (I or J behind the prefix) have none.
    Example: ASIAY34FZKBOKMUTVV7A is a key of 609629065308.
    """
    found = _KEY_ID.fullmatch(key_id)
    if found is None or found[1][0] in "IJ":
        return ""
    number = (int.from_bytes(base64.b32decode(found[1])[:6]) & 0x7FFFFFFFFF80) >> 7
    return f"{number:012}" if number < 10**12 else ""


@dataclass(frozen=True, slots=True)
class Profile:
    """One profile: its keys of both files together, those of the credentials file winning.

    Attributes:
        session: the keys of the ``[sso-session]`` that it names; empty if there is none.
    """

    name: str
    keys: Mapping[str, str] = field(repr=False)
    session: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def account(self) -> str:
        """Return the account its credentials end up in; "" if only AWS could tell."""
        return self._named_account() or self._hinted_account()

    @property
    def is_hint(self) -> bool:
        """Return whether the account is known from nothing but the access key id."""
        return not self._named_account() and bool(self._hinted_account())

    def _named_account(self) -> str:
        for key in self._telling():
            value = self.keys.get(key, "").strip()
            if found := _ARN.search(value):
                return found["account"]
            if _ACCOUNT.fullmatch(value):
                return value
        return ""

    def _hinted_account(self) -> str:
        alone = not any(self.keys.get(key) for key in ("role_arn", "sso_account_id", "sso_role_name"))
        return account_of_key(self.keys.get("aws_access_key_id", "")) if alone else ""

    def _telling(self) -> tuple[str, ...]:
        """Return the keys that tell the account, those of the provider that botocore takes first."""
        if self.keys.get("role_arn"):
            return ("role_arn",)
        if self.keys.get("sso_account_id"):
            return ("sso_account_id",)
        if self.has_keys:
            return "aws_account_id", "x_principal_arn"
        if self.keys.get("login_session"):
            return ("login_session",)
        return "aws_account_id", "granted_sso_account_id", "credential_process", "x_principal_arn"

    @property
    def region(self) -> str:
        """Return the region it names, "" if none."""
        return self.keys.get("region", "")

    @property
    def partition(self) -> str:
        """Return the partition its credentials belong to; "" if only AWS could tell."""
        for key in ("role_arn", "login_session", "x_principal_arn", "credential_process"):
            if found := _ARN.search(self.keys.get(key, "")):
                return found["partition"]
        told = self.session.get("sso_region") or self.keys.get("sso_region", "")
        sso = told if self.keys.get("sso_account_id") else ""
        return regions().get(sso, "") or regions().get(self.region, "")

    @property
    def has_credentials(self) -> bool:
        """Return whether it says where credentials come from; one with no more than a region does not."""
        return any(self.keys.get(key) for key in _GIVES_CREDENTIALS)

    @property
    def assumes(self) -> bool:
        """Return whether it trades other credentials for a role (web identity trades a file, not credentials)."""
        return "role_arn" in self.keys and "web_identity_token_file" not in self.keys

    @property
    def has_keys(self) -> bool:
        """Return whether keys stand in it."""
        return "aws_access_key_id" in self.keys or "aws_secret_access_key" in self.keys

    @property
    def has_session_keys(self) -> bool:
        """Return whether these keys end some day, so that somebody must put others there."""
        return self.has_keys and any(k in self.keys for k in ("aws_session_token", "aws_security_token"))
