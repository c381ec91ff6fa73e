"""Has the AWS CLI renew an `aws login` where boto3 cannot, because the AWS common runtime is not installed.

Rules: the CLI is run only when the login's keys are about to end, which is when boto3 would renew them. What it
renews is good once, so it runs undisturbed (`programs.undisturbed`): whatever becomes of us, it writes what it
got. What it prints is told by the texts that it shares with botocore.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from datetime import timedelta
from typing import Any, NoReturn

import botocore.credentials
from botocore.exceptions import (
    LoginError,
    LoginInsufficientPermissions,
    LoginRefreshRequired,
    LoginTokenLoadError,
    MissingDependencyException,
)
from botocore.utils import JSONFileCache, LoginTokenLoader, get_login_token_cache_directory

from ecr_refreshd.aws import answers, logins
from ecr_refreshd.aws.programs import Program, ProgramError, here, undisturbed

_NEARLY_OVER = timedelta(minutes=5)
"""Life of the keys below which botocore renews them."""
_SURROUNDINGS = ("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI")
_TOO_OLD = ("no credentials found", "nvalid choice", "Missing Dependency")
"""CLI v1 knows no such command, CLI v2 before 2.32 no such profile."""


class CliError(Exception):
    """The AWS CLI could not renew the login just now; the text is its own."""


class CliLoginProvider(botocore.credentials.CredentialProvider):  # type: ignore[misc] # botocore has no types
    """Stands in for botocore's provider of the same name and arguments."""

    METHOD = "login"

    def __init__(
        self, load_config: Any, client_creator: Any, profile_name: str, token_cache: Any = None
    ) -> None:
        super().__init__()
        self._load_config = load_config
        self._profile = profile_name
        cache = JSONFileCache(get_login_token_cache_directory()) if token_cache is None else token_cache
        self._files = LoginTokenLoader(cache)
        self._creator = client_creator

    def load(self) -> Any:
        """Return the profile's credentials; None if it signs in otherwise.

        Raises:
            MissingDependencyException: there is no AWS CLI that could do it.
            CliError: it failed, in passing as far as can be told.
            LoginError: as botocore raises it.
            KeyError: the login's file is just being written.
        """
        profile = self._load_config().get("profiles", {}).get(self._profile, {})
        name = profile.get("login_session")
        if not name:
            return None
        fetcher = botocore.credentials.LoginCredentialFetcher(name, self._files, self._creator)
        kept = fetcher.load_cached_credentials()
        end = logins.moment(kept["expiry_time"])
        if end is None or answers.life_left(end) <= _NEARLY_OVER:
            renewed = self._renew(self._files.load_token(name)["refreshToken"], profile.get("region", ""))
            kept |= renewed
        return botocore.credentials.Credentials(
            kept["access_key"], kept["secret_key"], kept["token"], self.METHOD, account_id=kept["account_id"]
        )

    def _renew(self, refresh_token: str, region: str) -> dict[str, str]:
        program = shutil.which("aws")
        if program is None:
            raise MissingDependencyException(
                msg="neither the AWS common runtime (awscrt) nor the AWS CLI v2 is there"
            )
        watch = here.watch
        if watch is not None and not watch.begin(refresh_token):
            raise LoginRefreshRequired
        here.running("the AWS CLI", 0.0)
        arguments = ("configure", "export-credentials", "--profile", self._profile, "--format", "process")
        try:
            process = Program(
                undisturbed([program, *arguments]),
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
                env=_environment(region),
            )
            output, complaint = process.communicate()
        except ProgramError as error:
            raise CliError(f"it {error}") from error
        finally:
            if watch is not None:
                watch.close()
        if process.returncode == 0:
            return _read(output)
        try:
            _fail(complaint.decode(errors="replace").strip())
        except LoginRefreshRequired:
            if watch is not None:
                watch.refuse()
            raise


def _environment(region: str) -> dict[str, str]:
    """Return ours, but a CLI that does not know `aws login` shall not answer with another's credentials."""
    ours = {name: value for name, value in os.environ.items() if name not in _SURROUNDINGS}
    more = {} if region or "AWS_REGION" in ours else {"AWS_DEFAULT_REGION": here.region}
    return more | ours | {"AWS_EC2_METADATA_DISABLED": "true", "AWS_CLI_AUTO_PROMPT": "off"}


def _read(output: bytes) -> dict[str, str]:
    try:
        said = json.loads(output)
        return {
            "access_key": said["AccessKeyId"],
            "secret_key": said["SecretAccessKey"],
            "token": said["SessionToken"],
        }
    except (ValueError, KeyError, TypeError) as error:
        raise CliError("it printed something that is no credentials") from error


def _fail(complaint: str) -> NoReturn:
    """Raise what botocore would have raised, by the texts that both have."""
    if any(text in complaint for text in _TOO_OLD):
        raise MissingDependencyException(
            msg="the AWS CLI is too old, and the AWS common runtime is not there"
        )
    if "Error loading login session token" in complaint:
        raise LoginTokenLoadError(error_msg="so says the AWS CLI")
    if "reauthenticate using 'aws login'" in complaint:
        raise LoginRefreshRequired
    if "signin:CreateOAuth2Token" in complaint:
        raise LoginInsufficientPermissions
    if "An unspecified error happened when resolving AWS credentials" in complaint:
        raise LoginError
    raise CliError(complaint or "it ended without a word")


def install() -> None:
    """Let every session of this process use the CLI, if boto3 itself cannot serve such a profile."""
    if botocore.credentials.EC is None:
        botocore.credentials.LoginProvider = CliLoginProvider
