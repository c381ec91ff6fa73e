"""What signs in to a principal, and how that is said."""

from __future__ import annotations

import pytest

from ecr_refreshd.core.model import Principal, Standing
from ecr_refreshd.core.remedies.aws import sign_in
from ecr_refreshd.core.signin import configured

SSO = Standing(
    login_backed=True, lane="sso:corp", sso_session="corp", login_command="aws sso login --sso-session corp"
)
PROGRAM = Standing(login_backed=True, process="vault", program="getcreds")


@pytest.mark.parametrize(
    ("standing", "profile", "key"),
    [
        (SSO, "dev", "corp"),
        (SSO, "dev", "dev"),
        (PROGRAM, "vault", "vault"),
        (PROGRAM, "admin", "vault"),
        (PROGRAM, "admin", "getcreds"),
    ],
)
def test_a_command_is_found_by_each_of_its_names(standing: Standing, profile: str, key: str) -> None:
    """By profile, SSO session, the profile that runs the program, and the program."""
    found = configured(standing, Principal(profile), {key: "assume corp", "other": "no"})

    assert found.login_command == "assume corp"
    assert "assume corp" in sign_in(found).hint


def test_a_profile_that_nobody_signs_in_to_has_no_command() -> None:
    assert configured(Standing(), Principal("ci"), {"ci": "assume ci"}) == Standing()


def test_a_program_is_followed_by_a_refresh() -> None:
    """No file shows its sign-in, so the service has to be told."""
    for standing in (PROGRAM, configured(PROGRAM, Principal("vault"), {"vault": "assume corp"})):
        assert sign_in(standing).hint.endswith("then: ecr-refreshd refresh")
        assert sign_in(standing).command == "ecr-refreshd refresh"


def test_an_mfa_code_is_announced_with_how_long_it_helps() -> None:
    command = "aws sts get-caller-identity --profile mfa"
    remedy = sign_in(Standing(login_backed=True, login_command=command, code_lasts=7200))

    assert remedy.command == command
    assert "asks for the code" in remedy.words
    assert "2h" in remedy.words
