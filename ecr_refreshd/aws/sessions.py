"""Gets a principal's credentials and its authorization tokens by boto3, in the child.

Rules: a boto3 Session is made anew for each principal asked for, because one that lives keeps old profiles and
logins for ever (aws.md 3.1); nobody is ever prompted; a workstation never asks a metadata service; what a lane's
login said to one principal, it says to all (`LaneError`), so that one dead login is one refused refresh.
"""

from __future__ import annotations

import hashlib
import os
import re
import threading
import time
from collections.abc import Callable, Iterator, MutableMapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import botocore.session
from botocore.config import Config
from botocore.configprovider import ConstantProvider
from botocore.exceptions import NoCredentialsError, ParamValidationError
from botocore.utils import JSONFileCache

from ecr_refreshd import __version__
from ecr_refreshd.aws import answers, logins, provider_chain
from ecr_refreshd.aws.files import token_file
from ecr_refreshd.aws.frames import Ask, Granted
from ecr_refreshd.aws.programs import has_zone, here
from ecr_refreshd.aws.refreshing import Refreshes, Refusal, Watch
from ecr_refreshd.core.hosts import PUBLIC_REGION
from ecr_refreshd.core.model import Grant, Principal

_LIMITS = Config(
    connect_timeout=5,
    read_timeout=10,
    retries={"mode": "standard", "total_max_attempts": 2},
    user_agent_extra=f"ecr-refreshd/{__version__}",
)
"""Seconds. As the session's default they reach the sso, sso-oidc and sts clients within, too (aws.md 3.4)."""
_LOGIN_ERRORS = frozenset({
    "SSOTokenLoadError", "TokenRetrievalError", "UnauthorizedSSOTokenError", "LoginTokenLoadError",
    "LoginRefreshRequired", "LoginError", "DamagedLoginError",
})  # fmt: skip
_RACED = frozenset({"TokenRetrievalError", "LoginRefreshRequired"})
"""What whoever lost a race for a one-time refresh token gets."""
_NAMELESS = (TypeError, ValueError, KeyError, AttributeError, OverflowError, ParamValidationError)
"""What botocore raises when a token file holds values of the wrong kind."""
_CACHED = frozenset({"AccessKeyId", "SecretAccessKey", "SessionToken", "Expiration"})
_TORN = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_RACE_SETTLES = 1.5
"""Seconds until whoever won a race for the same refresh token has written what it got (aws.md 2.4)."""
_TORN_SETTLES = 0.3
_TORN_TRIES = 4
_STILL = 10.0
"""Seconds for which a lane's failure holds for its other principals."""


class MfaRequiredError(Exception):
    """An MFA code is needed, and nobody is there to type one."""


class DamagedLoginError(Exception):
    """The login's token file holds no token that can be used, and nobody is writing it; the text says why."""


class LaneError(Exception):
    """The login that principals share gave no credentials; `__cause__` says why.

    Attributes:
        refusal: what AWS answered to the refresh, if it was sent and answered.
    """

    def __init__(self, refusal: Refusal | None) -> None:
        super().__init__()
        self.refusal = refusal


class _TerminalCache(MutableMapping[str, Any]):
    """The AWS CLI's cache of assumed roles: read, never written.

    It holds what a person got in a terminal, MFA code and all: the one way to serve such a profile (aws.md 1.2).
    """

    def __init__(self) -> None:
        self._files = JSONFileCache(str(Path("~/.aws/cli/cache").expanduser()))
        self._own: dict[str, Any] = {}

    def __getitem__(self, key: str) -> Any:
        return self._own[key] if key in self._own else self._files[key]

    def __contains__(self, key: object) -> bool:
        try:
            found = self[str(key)]["Credentials"]
            return _CACHED.issubset(found) and has_zone(found["Expiration"])
        except (KeyError, TypeError):
            return False  # none, of another form, or just being rewritten by the CLI

    def __setitem__(self, key: str, value: Any) -> None:
        self._own[key] = value

    def __delitem__(self, key: str) -> None:
        del self._own[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._own)

    def __len__(self) -> int:
        return len(self._own)


def _refuse_prompt(_prompt: str) -> str:
    raise MfaRequiredError


@dataclass(slots=True)
class Access:
    """A principal's session and the credentials it asks with, fixed for its calls.

    Attributes:
        method: botocore's name for where they come from.
    """

    session: boto3.Session
    keys: dict[str, str] = field(repr=False)
    account: str
    method: str


class Sessions:
    """Makes sessions that share what is large in botocore. For many threads; one at a time for one lane."""

    def __init__(self, refreshes: Refreshes) -> None:
        self._refreshes = refreshes
        self._building = threading.Lock()
        """Making a session or a client is work for the CPU, and what is loaded once serves all."""
        self._loader: Any = None
        self._failed: dict[str, tuple[str, float, LaneError]] = {}

    def access(self, ask: Ask, has_token: Callable[[], None]) -> Access:
        """Return a principal's access, its login renewed if need be.

        Args:
            ask: the principal, whose lane the caller holds.
            has_token: is called when the login is fresh and written, so that the lane may be left.

        Raises:
            LaneError: its login gave no credentials.
            Exception: whatever boto3 raises, which is not only its own errors.
        """
        lane = ask.standing.lane
        if lane:
            self._raise_known(lane)
        for attempt in range(_TORN_TRIES):
            before = _digest(lane)
            session, watch = self._session(ask, has_token)
            here.watch, here.lane, here.region = watch, lane, _region(next(iter(ask.grants.values())))
            try:
                return self._resolved(session, ask.principal)
            except Exception as error:  # noqa: BLE001 - it is raised again, understood
                why = _understood(error, lane)
                if not lane or watch.in_hand or not (watch.sent or type(why).__name__ in _LOGIN_ERRORS):
                    raise why from (None if why is error else error)
                if _has_changed_meanwhile(why, watch, attempt, lane, before):
                    continue
                raise self._remembered(lane, watch.refusal) from why
            finally:
                watch.close()
        raise AssertionError("the last attempt returns or raises")

    def _raise_known(self, lane: str) -> None:
        known = self._failed.get(lane)
        if known is not None and known[0] == _digest(lane) and time.monotonic() - known[1] < _STILL:
            raise known[2]

    def _remembered(self, lane: str, refusal: Refusal | None) -> LaneError:
        found = LaneError(refusal)
        self._failed[lane] = _digest(lane), time.monotonic(), found
        return found

    def _session(self, ask: Ask, has_token: Callable[[], None]) -> tuple[boto3.Session, Watch]:
        profile = ask.principal.profile
        with self._building:
            core = botocore.session.Session()
            if profile:
                core.set_config_variable("profile", profile)
            else:
                # Not an instance variable, with which the keys in the environment would lose to that profile.
                scope = ConstantProvider(provider_chain.scope_of(core))
                core.get_component("config_store").set_config_provider("profile", scope)
            if self._loader is None:
                self._loader = core.get_component("data_loader")
            core.register_component("data_loader", self._loader)
            core.set_default_client_config(_LIMITS)
            region = _region(next(iter(ask.grants.values())))
            if not provider_chain.is_of_partition(core.get_config_variable("region"), region):
                core.set_config_variable("region", region)
            _keep_quiet(core, ambient=not profile)
            watch = Watch(core, self._refreshes, has_token)
            session = boto3.Session(botocore_session=core)
            self._loader.search_paths[:] = dict.fromkeys(
                self._loader.search_paths
            )  # boto3 adds its own each time
        return session, watch

    def _resolved(self, session: boto3.Session, principal: Principal) -> Access:
        credentials = session.get_credentials()
        if credentials is None:
            raise NoCredentialsError
        frozen = credentials.get_frozen_credentials()
        keys = _keys(frozen.access_key, frozen.secret_key, frozen.token)
        account = str(getattr(frozen, "account_id", None) or "")
        if principal.role_arn:
            keys, account = self._assumed(session, keys, principal)
        return Access(session, keys, account, credentials.method)

    def _assumed(
        self, session: boto3.Session, keys: dict[str, str], principal: Principal
    ) -> tuple[dict[str, str], str]:
        with self._building:
            sts = session.client("sts", **keys)
        more = {"ExternalId": principal.external_id} if principal.external_id else {}
        name = principal.session_name or "ecr-refreshd"
        given = sts.assume_role(RoleArn=principal.role_arn, RoleSessionName=name, **more)["Credentials"]
        keys = _keys(given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"])
        return keys, principal.role_arn.split(":")[4]

    def token(self, number: int, grant: Grant, access: Access) -> Granted:
        """Ask for a grant's token. Raises AnswerError and whatever boto3 raises."""
        with self._building:
            client = _client(access, grant)
        return answers.granted(number, client.get_authorization_token(), access.account)


def _keep_quiet(core: Any, *, ambient: bool) -> None:
    """Leave in the chain of providers only what was asked for, and nothing that asks a person."""
    chain = core.get_component("credential_provider")
    for name in provider_chain.unwanted(core, ambient=ambient):
        chain.remove(name)
    if not ambient:
        roles = chain.get_provider("assume-role")
        roles.cache = _TerminalCache()
        roles._prompter = _refuse_prompt  # noqa: SLF001 - its default, getpass, looks for the user's terminal


def _client(access: Access, grant: Grant) -> Any:
    # A custom endpoint, the grant's or one that the user has configured, goes before a variant: so does botocore.
    variant = Config(use_fips_endpoint=grant.fips or None, use_dualstack_endpoint=grant.dualstack or None)
    return access.session.client(
        grant.service,
        region_name=_region(grant),
        endpoint_url=grant.endpoint_url or None,
        config=variant,
        **access.keys,
    )


def _region(grant: Grant) -> str:
    return PUBLIC_REGION if grant.service == "ecr-public" else grant.region


def _keys(access_key: str, secret: str, token: str | None) -> dict[str, str]:
    keys = {"aws_access_key_id": access_key, "aws_secret_access_key": secret}
    return keys | ({"aws_session_token": token} if token else {})


def _understood(error: Exception, lane: str) -> Exception:
    """Return what an exception means that names no cause: a login file that cannot be used, or a part missing."""
    if isinstance(error, _NAMELESS) and (why := _fault(lane)):
        return DamagedLoginError(why)
    if not isinstance(error, KeyError):
        return error
    if _TORN.fullmatch(str(error.args[0]) if error.args else ""):
        return DamagedLoginError()
    return answers.foreign()


def _fault(lane: str) -> str:
    """Return what is wrong with a lane's token file, "" if nothing is or there is none."""
    if not lane:
        return ""
    try:
        return logins.fault(Path(token_file(lane, os.environ)).read_bytes(), lane)
    except OSError:
        return ""


def _has_changed_meanwhile(error: Exception, watch: Watch, attempt: int, lane: str, before: str) -> bool:
    """Wait for whoever may be writing the token file, and return whether it is worth another attempt."""
    if isinstance(error, DamagedLoginError):  # the CLI truncates it before it writes (aws.md 1.1)
        threading.Event().wait(_TORN_SETTLES)
        return attempt < _TORN_TRIES - 1
    refused = watch.refusal is None or not watch.refusal.passing
    if type(error).__name__ not in _RACED or attempt > 0 or watch.withheld or not refused:
        return False
    threading.Event().wait(_RACE_SETTLES)
    return _digest(lane) != before


def _digest(lane: str) -> str:
    """Return a digest of a lane's token file, "" if there is none."""
    try:
        return hashlib.sha256(Path(token_file(lane, os.environ)).read_bytes()).hexdigest()
    except OSError:
        return ""
