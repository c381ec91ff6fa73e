"""The first hour, in the real program: what `status`, `ensure` and `doctor` say is what pulls meet."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from tests.e2e.test_bad_input import GOOD, Home, home, host, until
from tests.household import auth_text
from tests.world import homes
from tests.world.homes import sso_login, sso_logout

__all__ = ["home"]  # a fixture

WEST = host(GOOD)
OTHER = host("999988887777", "us-east-1")
SIGN_IN = "aws sso login --sso-session corp"


def dead() -> str:
    return auth_text(datetime.now(UTC) - timedelta(hours=20))


def day_one(home: Home) -> None:
    """A dead token from a `docker login` of yesterday, an SSO login that has ended, no state, no settings."""
    home.write_docker(json.dumps({"auths": {WEST: {"auth": dead()}}}))
    homes.sso_profile(home.folder, "dev", GOOD)
    sso_login(home.folder, home.aws)
    sso_logout(home.folder)


def test_the_first_day_needs_a_sign_in_and_says_so(home: Home) -> None:
    """Exit 3, a notice, the command: what the service was installed for."""
    day_one(home)
    told = home.folder / "told"
    keeps = home.folder / "keep.sh"
    keeps.write_text('#!/bin/sh\ncat >> "$1"\n')
    keeps.chmod(0o700)
    home.write_config(f"[notify]\ndesktop = false\ncommand = ['{keeps}', '{told}']\n")
    home.start()
    until(lambda: told.exists() and told.read_text(), "the notice")
    assert json.loads(told.read_text().splitlines()[0])["command"] == SIGN_IN
    document = home.status()
    assert (document["overall"], document["summary"]) == ("login-required", "1 sign-in needed")
    page = home.run("status")
    assert page.returncode == 3
    assert SIGN_IN in page.stdout
    assert home.run("refresh").returncode == 3


@pytest.mark.parametrize("why", ["login", "denied", "unreachable", "nobody"])
def test_once_fails_where_nothing_is_fresh(home: Home, why: str) -> None:
    """`run --once && docker pull` must not pull with a dead token; nor after `refresh`."""
    expected = {"login": 3, "denied": 1, "unreachable": 1, "nobody": 1}[why]
    if why == "login":
        day_one(home)
    else:
        home.write_docker(json.dumps({"auths": {WEST: {"auth": dead()}}}))
    if why == "denied":
        key = home.profile("dev")
        home.aws.fault("ecr:GetAuthorizationToken", access_key=key, code="AccessDeniedException", status=400)
        homes.profile(home.folder, "dev", sso_account_id=GOOD)
    if why == "unreachable":
        home.profile("default")
        home.environment["AWS_ENDPOINT_URL_ECR"] = "http://127.0.0.1:9"
    assert home.run("run", "--once").returncode == expected
    assert home.run("refresh").returncode == expected


def test_a_token_that_cannot_be_written_is_remembered(home: Home) -> None:
    """`doctor` and `status` still know after a `run --once` what kept it out of the file."""
    home.profile("default")
    home.docker.parent.write_text("a file where the folder belongs")
    home.write_config(f'[[registry]]\nhost = "{WEST}"\nprofile = "default"\n')
    once = home.run("run", "--once")
    assert once.returncode == 4, once.stdout
    assert "not written" in once.stdout
    assert "11 h" not in once.stdout, "no client has that token"
    document = home.status()
    assert (document["overall"], document["registries"][0]["phase"]) == ("not-running", "unwritten")
    assert home.run("status").returncode == 5
    assert home.run("ensure", WEST, "--min-ttl", "1h", "--timeout", "15s").returncode == 4
    findings = json.loads(home.run("doctor", "--json").stdout)["findings"]
    about = [finding for finding in findings if str(home.docker.parent) in finding["what"]]
    assert any(finding["severity"] == "error" for finding in about), findings


def test_a_mistyped_value_is_said_everywhere(home: Home) -> None:
    """Docker reads no login of a file with `"proxies": 5` in it, and says only "403 Forbidden"."""
    home.profile("default")
    home.write_docker(json.dumps({"auths": {WEST: {"auth": dead()}}, "proxies": 5}))
    home.write_config(f'[[registry]]\nhost = "{WEST}"\nprofile = "default"\n')
    once = home.run("run", "--once")
    assert once.returncode == 4
    assert "proxies is of the wrong type" in once.stdout
    assert home.run("ensure", WEST, "--min-ttl", "1h", "--timeout", "5s").returncode == 4
    findings = json.loads(home.run("doctor", "--json").stdout)["findings"]
    assert "file.mistyped" in {finding["key"] for finding in findings}

    home.write_docker(home.docker.read_text().replace("5", "{}"))
    assert home.run("run", "--once").returncode == 0


def test_a_registry_of_an_unknown_account_is_skipped(home: Home) -> None:
    """One line names the account; the others are served, exit 0."""
    homes.sso_profile(home.folder, "dev", GOOD)
    sso_login(home.folder, home.aws)
    home.write_docker(json.dumps({"auths": {WEST: {"auth": dead()}, OTHER: {"auth": dead()}}}))
    done = home.run("run", "--once")
    assert done.returncode in {0, 1, 4}
    document = home.status()
    rows = {row["host"]: row for row in document["registries"]}
    if rows[OTHER]["grant"] is None:
        assert done.returncode == 0, done.stdout
        assert document["summary"] == "1 fresh, 1 registry skipped: no profile for account 999988887777"


def test_status_of_no_service_is_no_ok(home: Home) -> None:
    """A pipe loses exit 5; the document must not say `ok` in its place."""
    done = home.run("status", "--json")
    assert done.returncode == 5
    assert json.loads(done.stdout)["overall"] == "not-running"


def test_ignored_hosts_are_not_called_missing(home: Home) -> None:
    """README, "Leaving": `ignore = ["*"]`, and the hosts still stand in the file."""
    home.write_docker(json.dumps({"auths": {WEST: {"auth": dead()}}}))
    home.write_config('[discover]\nignore = ["*"]\n')
    home.start()
    until(lambda: home.status()["overall"] == "ok", "the first look")
    page = home.run("status").stdout
    assert "1 host ignored ([discover] ignore)" in page
    assert "no ECR host stands" not in page


def test_another_account_is_no_typo(home: Home) -> None:
    """A misspelt host is: one letter."""
    home.profile("default")
    home.write_config(f'[[registry]]\nhost = "{OTHER}"\nprofile = "default"\n')
    home.start()
    until(lambda: home.status()["pid"] is not None, "the service")
    assert "did you mean" not in home.run("refresh", WEST).stderr
    assert f"did you mean {OTHER}?" in home.run("refresh", OTHER.replace("east", "eats")).stderr


def test_invalid_settings_are_exit_4_while_a_service_runs(home: Home) -> None:
    home.profile("default")
    text = f'[[registry]]\nhost = "{WEST}"\nprofile = "default"\n'
    home.write_config(text)
    home.start()
    until(lambda: home.run("status").returncode == 0, "fresh")
    home.write_config(text + "adopt = yes\n")
    until(lambda: home.run("status").returncode == 4, "the mistake is said")
    assert "ecr-refreshd config check" in home.run("status").stdout
