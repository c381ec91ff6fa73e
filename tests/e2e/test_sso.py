"""SSO in the real program: the end of a login, the bridge over it, the moment after a person has signed in."""

from __future__ import annotations

import json
from pathlib import Path

from ecr_refreshd.core.model import fingerprint
from tests.e2e.test_bad_input import Home, home, host, until
from tests.world import homes
from tests.world.homes import sso_login, sso_logout

__all__ = ["home"]  # a fixture

ACCOUNTS = [f"10000000000{n}" for n in range(3)]
REGIONS = ("us-west-2", "eu-west-1", "us-east-1")
HOSTS = [host(account, region) for account in ACCOUNTS for region in REGIONS]
LIFE = 3600
KEPT = "[probe]\nwhen = 'off'\n[renew]\nlogin_backed = '4s'\n"
"""Nobody is asked on the way to the real registries; and an hour of renewals is four seconds here."""


def signed_in(house: Home, *, profiles: int = 1) -> None:
    """Nine registries, on one SSO session."""
    house.aws.set(ttl=LIFE)
    for n in range(profiles):
        homes.sso_profile(house.folder, f"dev{n}", ACCOUNTS[n])
    sso_login(house.folder, house.aws)
    tables = "".join(
        f'[[registry]]\nhost = "{name}"\nprofile = "dev{index % profiles}"\n'
        for index, name in enumerate(HOSTS)
    )
    house.write_config(tables + KEPT)


def on_disk(house: Home) -> dict[str, str]:
    auths = json.loads(house.docker.read_text())["auths"]
    return {name: fingerprint(entry["auth"]) for name, entry in auths.items()}


def phases(house: Home) -> set[str]:
    return {row["phase"] for row in house.rows().values()}


def test_after_the_login_ends_everything_is_bridged_and_one_login_makes_all_of_it_fresh(home: Home) -> None:
    """Promise 2, whole: AWS refuses, the tokens stay, the person is told what to run, and then it is over."""
    signed_in(home)
    home.start()
    until(lambda: home.docker.exists() and len(on_disk(home)) == len(HOSTS), "all tokens on disk")
    home.aws.sso_end(session="corp")
    until(lambda: phases(home) == {"login-required"}, "the end of the login is noticed")
    before = on_disk(home)
    assert len(before) == len(HOSTS), "the good tokens stay"
    status = home.status()
    assert status["overall"] == "login-required"
    (notice,) = status["notices"]
    assert notice["key"] == "login:sso:corp"
    assert notice["command"] == "aws sso login --sso-session corp"
    assert home.run("status").returncode == 3

    home.aws.clear_log()
    sso_login(home.folder, home.aws)
    until(lambda: phases(home) == {"fresh"}, "fresh after the login")
    until(lambda: not set(on_disk(home).values()) & set(before.values()), "new tokens in every entry")
    assert home.status()["notices"] == []


def test_a_program_is_told_once_and_told_when_it_is_over_and_the_hook_of_each_renewal(home: Home) -> None:
    """[notify] command, [hooks] on_renewed: for machines without a desktop."""
    told, renewed = home.folder / "told", home.folder / "renewed"
    keeps = home.folder / "keep.sh"
    keeps.write_text('#!/bin/sh\ncat >> "$1"\n')
    keeps.chmod(0o700)
    signed_in(home)
    home.write_config(
        home.config.read_text()
        + f"[notify]\ndesktop = false\ncommand = ['{keeps}', '{told}']\n"
        + f"[hooks]\non_renewed = ['{keeps}', '{renewed}']\n"
    )
    home.start()
    until(lambda: renewed.exists() and renewed.read_text(), "the first renewal is told")
    first = json.loads(renewed.read_text().splitlines()[0])
    assert set(first) == {"hosts", "expires_at"}
    home.aws.sso_end(session="corp")
    until(lambda: told.exists() and told.read_text(), "the end of the login is told")
    sso_login(home.folder, home.aws)
    until(lambda: len(told.read_text().splitlines()) == 2, "that it is over is told")
    lines = [json.loads(line) for line in told.read_text().splitlines()]
    assert [(line["event"], line["key"]) for line in lines] == [
        ("raised", "login:sso:corp"),
        ("withdrawn", "login:sso:corp"),
    ]
    assert lines[0]["command"] == "aws sso login --sso-session corp"


def test_while_the_disk_shows_a_dead_login_aws_is_not_asked(home: Home) -> None:
    """DESIGN 5: after `aws sso logout` one child finds out; then nobody is started for it."""
    signed_in(home)
    home.start()
    until(lambda: home.docker.exists() and len(on_disk(home)) == len(HOSTS), "all tokens on disk")
    sso_logout(home.folder)
    until(lambda: phases(home) == {"login-required"}, "the logout is noticed when renewal is due")
    home.aws.clear_log()
    log = home.log.read_text().count("grant.failed")
    until(lambda: home.run("refresh", HOSTS[0]).returncode == 3, "a person may ask all the same")
    assert home.aws.calls() == [], "nothing to send without a token"
    assert home.log.read_text().count("grant.failed") <= log + 3


def test_a_login_of_one_session_does_not_renew_another(home: Home) -> None:
    """DESIGN 5: the right grants and only those."""
    home.aws.set(ttl=LIFE)
    for session, name, account in (("corp", "dev", ACCOUNTS[0]), ("labs", "lab", ACCOUNTS[1])):
        homes.sso_profile(home.folder, name, account, session=session)
        sso_login(home.folder, home.aws, session=session)
    home.write_config(
        f'[[registry]]\nhost = "{HOSTS[0]}"\nprofile = "dev"\n'
        f'[[registry]]\nhost = "{HOSTS[4]}"\nprofile = "lab"\n[probe]\nwhen = "off"\n'
    )
    home.start()
    until(lambda: home.docker.exists() and len(on_disk(home)) == 2, "both tokens on disk")
    before = on_disk(home)
    sso_login(home.folder, home.aws, session="corp")
    until(lambda: on_disk(home)[HOSTS[0]] != before[HOSTS[0]], "the new login's own")
    assert on_disk(home)[HOSTS[4]] == before[HOSTS[4]]


def test_the_configuration_is_read_again_when_it_is_saved(home: Home) -> None:
    """DESIGN 4: a saved file reloads it; a bad one is said, and the old settings stay."""
    home.profile("dev", ACCOUNTS[0])
    table = '[[registry]]\nhost = "{}"\nprofile = "dev"\n'
    home.write_config(table.format(HOSTS[0]) + "[probe]\nwhen = 'off'\n")
    home.start()
    until(lambda: home.docker.exists() and set(on_disk(home)) == {HOSTS[0]}, "the first registry")
    replace(home.config, table.format(HOSTS[0]) + table.format(HOSTS[1]))
    until(lambda: set(on_disk(home)) == set(HOSTS[:2]), "the second one, without a signal")
    replace(home.config, "what is this")
    until(
        lambda: any("old settings" in each["message"] for each in home.status()["degraded"]), "the complaint"
    )
    assert phases(home) == {"fresh"}
    home.config.unlink()
    until(
        lambda: any("no such file" in each["message"] for each in home.status()["degraded"]),
        "that it is gone",
    )
    replace(home.config, table.format(HOSTS[0]))
    until(lambda: len(home.rows()) == 1 and not home.status()["degraded"], "the newest one in force")


def replace(path: Path, text: str) -> None:
    """Save as editors do."""
    fresh = path.with_name("config.toml.new")
    fresh.write_text(text)
    fresh.chmod(0o600)
    fresh.replace(path)
