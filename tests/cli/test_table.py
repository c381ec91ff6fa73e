"""`status` for people: complete, in the right order, and readable on any terminal."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecr_refreshd.cli.principals import reason_text
from ecr_refreshd.cli.rows import LABELS
from ecr_refreshd.cli.table import Look, render
from tests.cli.documents import (
    EVERYTHING,
    FILE,
    LOGIN_ENDED,
    NOTICE,
    NOW,
    PHASES,
    WEST,
    at,
    complaint,
    document,
    registry,
)

EAST = "724013829182.dkr.ecr.eu-west-1.amazonaws.com"


def test_a_table_with_whole_hosts_where_there_is_room() -> None:
    text = render(document(registry()), NOW, Look(width=120))

    assert text.splitlines() == [
        "ok: 1 fresh; next renewal 12:12 (in 12 min)",
        "",
        "REGISTRY                                      STATE  TOKEN                      RENEWAL    PROFILE",
        f"{WEST}  fresh  until 23:12 (11 h 12 min)  in 12 min  dev (fits the account)",
        "",
        f"{FILE}: 1 login written",
        "ecr-refreshd 0.1.0, pid 4711, up 2 h 3 min",
    ]


def test_a_table_with_short_names_at_80_columns() -> None:
    """What is the same in every row is said once, and so is what the names are short for."""
    asia = registry(
        "111122223333.dkr.ecr.ap-southeast-2.amazonaws.com", phase="expired", expires_at=at(hours=-2)
    )
    text = render(document(registry(), registry(EAST), asia, overall="degraded"), NOW, Look(width=80))

    assert text.splitlines() == [
        "degraded: 2 fresh, 1 expired; next renewal 12:12 (in 12 min)",
        "",
        "REGISTRY                     STATE    TOKEN                      RENEWAL",
        "111122223333 ap-southeast-2  expired  expired 2 h ago            in 12 min",
        "724013829182 us-west-2       fresh    until 23:12 (11 h 12 min)  in 12 min",
        "724013829182 eu-west-1       fresh    until 23:12 (11 h 12 min)  in 12 min",
        "All 3: profile dev (fits the account), in the settings.",
        "Names are short for ACCOUNT.dkr.ecr.REGION.amazonaws.com.",
        "",
        f"{FILE}: 3 logins written",
        "ecr-refreshd 0.1.0, pid 4711, up 2 h 3 min",
    ]


@pytest.mark.parametrize("width", [80, 100, 120])
def test_a_usual_terminal_gets_a_table(width: int) -> None:
    """Also with the longest region, every phase, and profiles that differ."""
    rows = [
        registry(
            f"{number:012d}.dkr.ecr.ap-southeast-2.amazonaws.com",
            phase=phase,
            principal={"profile": f"team-{number}-readonly", "chosen_by": "account"},
        )
        for number, phase in enumerate((*PHASES, "unwritten"))
    ]
    lines = render(document(*rows), NOW, Look(width=width)).splitlines()

    assert any(line.startswith("REGISTRY") for line in lines)
    assert max(map(len, lines)) <= width


def test_narrow_terminal_shows_a_block_per_registry() -> None:
    text = render(document(registry()), NOW, Look(width=40))

    assert text.splitlines()[3:] == [
        "724013829182.dkr.ecr.us-west-2.amazonaws",
        "  .com",
        "  fresh",
        "  token: until 23:12 (11 h 12 min), next",
        "    renewal in 12 min",
        "  profile: dev (fits the account)",
        "",
        f"{FILE}: 1 login",
        "  written",
        "ecr-refreshd 0.1.0, pid 4711, up 2 h 3",
        "  min",
    ]


def test_troubled_rows_come_first_and_are_counted() -> None:
    lines = render(EVERYTHING, NOW, Look(width=140)).splitlines()
    shown = [line.split()[1:3] for line in lines if ".amazonaws.com  " in line or line.startswith("public")]

    assert [each[0] for each in shown[:4]] == ["sign", "sign", "blocked", "blocked"]
    assert shown[-2][0] == "fresh"
    assert shown[-1][0] == "paused"
    assert (
        "sign in: 1 fresh, 2 sign-in needed, 2 blocked, 1 expired, 1 retrying, 1 renewing, 1 paused; "
        "next renewal 12:12 (in 12 min)" in lines
    )


def test_what_several_rows_have_in_common_is_said_once() -> None:
    other = LOGIN_ENDED | {"host": EAST}
    text = render(document(LOGIN_ENDED, other, registry(), overall="login-required"), NOW, Look(width=100))

    assert text.count("→ aws sso login --sso-session corp") == 1
    assert text.count("The SSO login of session corp has ended.") == 1


def test_a_registry_that_nobody_here_can_serve_is_skipped() -> None:
    """It is not what a person has to look at first."""
    stray = registry(EAST, phase="blocked", counts=False, origin="adopted")
    lines = render(document(stray, registry()), NOW, Look(width=120)).splitlines()

    assert lines[0].startswith("ok: 1 fresh, 1 skipped")
    assert lines.index(next(line for line in lines if line.startswith(WEST))) < lines.index(
        next(line for line in lines if line.startswith(EAST))
    )


def test_a_summary_of_the_service_goes_before_our_own() -> None:
    told = document(registry(), summary="1 fresh, 1 registry skipped: no profile for account 999988887777")

    assert render(told, NOW, Look()).startswith("ok: 1 fresh, 1 registry skipped: no profile")


def test_a_service_that_just_starts_says_nothing_false() -> None:
    lines = render(document(overall="starting"), NOW, Look()).splitlines()

    assert lines[0] == "starting: reading docker's and podman's files"
    assert not any("No registry" in line for line in lines)


def test_everything_that_went_wrong_is_said_with_its_remedy() -> None:
    lines = render(document(LOGIN_ENDED, overall="login-required"), NOW, Look(width=140)).splitlines()

    assert lines[0].startswith("sign in: 1 sign-in needed")
    assert [line.strip() for line in lines[4:9]] == [
        "The SSO login of session corp has ended. (12 min ago)",
        "→ aws sso login --sso-session corp",
        f"{FILE}: written: mode narrowed from 0644 to 0600",
        "/run/user/1000/containers/auth.json: unparsable: line 3",
        "restored 3 times",
    ]


def test_words_before_a_command_are_not_part_of_it() -> None:
    """What stands behind the arrow can be pasted as it is, from any width."""
    command = "aws sso login --profile 'a profile with a long name that fills the line'"
    error = LOGIN_ENDED["last_error"] | {"hint": f"Sign in, in this order: {command}", "command": command}
    lines = render(document(registry(last_error=error)), NOW, Look(width=40)).splitlines()

    assert "  Sign in, in this order:" in lines
    assert f"  → {command}" in lines


def test_a_file_is_named_once_with_its_remedy() -> None:
    sink = {
        "path": FILE,
        "kind": "auths",
        "state": "unwritable",
        "detail": f"{FILE}: permission denied sudo chown dev /home/dev/.docker",
        "hint": "sudo chown dev /home/dev/.docker",
        "command": "sudo chown dev /home/dev/.docker",
    }
    lines = render(document(registry(sinks=[sink])), NOW, Look(width=120)).splitlines()

    assert lines[4:6] == [f"  {FILE}: permission denied", "  → sudo chown dev /home/dev/.docker"]


def test_notices_come_first_with_their_command() -> None:
    lines = render(EVERYTHING, NOW, Look(width=140)).splitlines()

    assert lines[:3] == [
        "▲ Sign in to corp",
        "  → aws sso login --sso-session corp",
        "  The AWS login has ended; pulls go on for 11 h.",
    ]
    assert "! The file watcher died and was started again." in lines


def test_a_complaint_has_its_command() -> None:
    told = complaint("The settings are invalid.", "ecr-refreshd config check")
    lines = render(document(registry(), degraded=[told]), NOW, Look(width=80)).splitlines()

    assert lines[1:3] == ["! The settings are invalid.", "  → ecr-refreshd config check"]


@pytest.mark.parametrize("width", [20, 40, 60, 80, 100, 140])
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    """Sentences are broken, never cut; only a command is a line as long as it is, to be copied whole."""
    text = render(EVERYTHING, NOW, Look(width=width))

    assert max(len(line) for line in text.splitlines() if "→" not in line) <= width
    squeezed = re.sub(r"\s", "", text)
    for row in EVERYTHING["registries"]:
        assert row["host"] in squeezed or f"{row['host'][:12]}us-west-2" in squeezed
    for phase in PHASES:
        assert LABELS.get(phase, phase).replace(" ", "") in squeezed


def test_colour_changes_no_text() -> None:
    plain = render(EVERYTHING, NOW, Look(width=140))
    coloured = render(EVERYTHING, NOW, Look(width=140, colour=True))

    assert "\x1b" not in plain
    assert "\x1b[32mfresh" in coloured
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == plain


def test_ascii_terminals_get_ascii() -> None:
    text = render(
        document(registry(last_error=LOGIN_ENDED["last_error"] | {"message": "é"})),
        NOW,
        Look(80, unicode=False),
    )

    assert text.isascii()
    assert "-> aws sso login" in text


def test_no_terminal_no_table_and_no_broken_lines() -> None:
    lines = render(EVERYTHING, NOW, Look()).splitlines()

    assert not any("REGISTRY" in line for line in lines)
    assert WEST in lines
    assert "  /run/user/1000/containers/auth.json: unparsable: line 3" in lines


def test_no_service_is_said() -> None:
    text = render(document(registry(), pid=None, started_at=None), NOW, Look(width=140))

    assert text.splitlines()[:2] == [
        "No service is running; this is what the last one remembered.",
        "  → ecr-refreshd run",
    ]


def test_a_command_tells_only_what_it_did() -> None:
    text = render(EVERYTHING, NOW, Look(width=140), about_service=False)

    assert text.startswith("REGISTRY")
    assert text in render(EVERYTHING, NOW, Look(width=140))
    assert "pid" not in text


def test_no_registries_is_said() -> None:
    text = render(document(), NOW, Look(width=140))
    assert "No registry is kept: none in the settings" in text
    assert "  → ecr-refreshd init --scan ." in text.splitlines()


def test_a_dead_token_and_a_late_renewal_are_told_as_such() -> None:
    text = render(
        document(registry(phase="expired", expires_at=at(hours=-2), next_renewal_at=at(minutes=-1))),
        NOW,
        Look(),
    )

    assert "token: expired 2 h ago, next renewal now" in text


def test_roles_and_why_a_registry_is_kept_are_named() -> None:
    role = {"profile": "", "role_arn": "arn:aws:iam::724013829182:role/pull", "chosen_by": "config"}

    text = render(document(registry(principal=role, origin="adopted")), NOW, Look())

    assert "profile: no profile → pull (as configured), found in docker's config" in text


def test_no_text_can_move_the_cursor() -> None:
    """A message may quote what AWS or a file said; escape sequences in it stay text."""
    evil = registry(last_error=LOGIN_ENDED["last_error"] | {"message": "\x1b[2Jgone\nnext\u202e"})

    text = render(document(evil), NOW, Look(width=100))

    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "gone next" in text


def test_a_notice_that_nobody_got_is_said_here() -> None:
    """On a machine without a desktop, `status` is where a person finds out (DESIGN 7)."""
    notice = NOTICE | {"problems": ["There is no desktop to show it on."]}

    text = render(document(registry(), notices=[notice]), NOW, Look(width=140))

    assert "  Notification not delivered: There is no desktop to show it on." in text.splitlines()


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ("accepted", "the registry accepts the token (3 min ago)"),
        ("refused", "the registry refuses the token (3 min ago): 403 Forbidden"),
        ("unknown", ""),
    ],
)
def test_what_the_registry_itself_said_is_told(answer: str, said: str) -> None:
    probe = {"answer": answer, "detail": "403 Forbidden", "at": at(minutes=-3)}

    text = render(document(registry(probe=probe)), NOW, Look(width=140))

    assert said in text
    assert ("the registry" in text) is bool(said)


@given(st.integers(min_value=1, max_value=200), st.text(max_size=80), st.text(max_size=200))
def test_any_text_fits_any_width(width: int, host: str, message: str) -> None:
    row = registry(host, last_error={"message": message, "hint": message, "at": None})

    text = render(document(row), NOW, Look(width=width))

    assert max(map(len, text.splitlines())) <= max(width, 20)


def test_hosts_behind_our_helper_are_one_line_however_many_they_are() -> None:
    """The platform engineer with 300 registries and Docker Desktop."""
    folder = "/home/dev/.local/state/ecr-refreshd/helper"
    rows = []
    for number in range(300):
        name = f"{number:012}.dkr.ecr.us-west-2.amazonaws.com"
        sinks = [
            {"path": FILE, "kind": "helper", "state": "written", "detail": ""},
            {"path": f"{folder}/{name}", "kind": "helper", "state": "written", "detail": ""},
        ]
        rows.append(registry(host=name, sinks=sinks))
    text = render(document(*rows), NOW, Look(width=None))
    assert f"{FILE}: 300 logins served by our credential helper" in text
    assert f"{folder}: 300 logins served by our credential helper" in text
    assert text.count(folder) == 1


def test_whoever_waits_for_a_person_is_not_given_a_time() -> None:
    """A try by time would come first, and is nothing that anybody should wait for."""
    row = registry(phase="login-required", next_renewal_at=at(hours=4))
    assert "at sign-in" in render(document(row, overall="login-required"), NOW, Look(width=140))


def test_nothing_is_said_of_files_that_nobody_has_looked_at() -> None:
    """Without a service, and before the first one ran, nobody knows what stands in them."""
    text = render(document(pid=None), NOW, Look(width=140))
    assert "stands in the docker" not in text
    assert "  → ecr-refreshd run" in text.splitlines()


def test_a_login_of_somebody_else_has_its_end_by_the_clock_on_the_wall() -> None:
    sink = {
        "path": FILE,
        "kind": "auths",
        "state": "foreign",
        "detail": "somebody's",
        "kept_until": at(hours=2),
    }
    text = render(document(registry(sinks=[sink])), NOW, Look(width=140))
    assert re.search(r"written by another program, left until \d\d:\d\d \(in 2 h\): somebody's", text)


def test_what_is_said_of_a_file_is_below_it() -> None:
    files = [{"path": FILE, "notes": ["docker asks docker-credential-pass and reads no entry of this file."]}]
    lines = render(document(registry(), files=files), NOW, Look(width=140)).splitlines()
    assert lines[lines.index(f"{FILE}: 1 login written") + 1].strip() == files[0]["notes"][0]


def test_a_file_that_cannot_be_read_is_said_although_no_registry_is_known() -> None:
    failed = {"path": FILE, "notes": [], "state": "unwritable", "detail": "cannot be read. chown me"}
    for document_ in (document(files=[failed]), document(registry(sinks=[]), files=[failed])):
        assert f"{FILE}: unwritable: cannot be read. chown me" in render(document_, NOW, Look())
    told = document(registry(), files=[failed])
    assert "chown me" not in render(told, NOW, Look()), "the registry's own row says it"


def test_which_profiles_fit_is_said() -> None:
    row = registry()
    row["principal"] |= {"also_fits": ["admin", "audit"]}
    assert "3 profiles fit: dev (used), admin, audit" in render(document(row), NOW, Look(width=140))


@pytest.mark.parametrize(
    ("principal", "account", "words"),
    [
        ({"chosen_by": "environment", "variable": "AWS_DEFAULT_PROFILE"}, "1", "from AWS_DEFAULT_PROFILE"),
        ({"chosen_by": "environment", "variable": "AWS_PROFILE", "other_account": True}, "1",
         "from AWS_PROFILE, of another account"),
        ({"chosen_by": "default", "other_account": True}, "1", "the only profile, of another account"),
        ({"chosen_by": "default"}, None, "any account will do"),
        ({"chosen_by": "default", "profile": "default"}, None, "the default"),
    ],
)  # fmt: skip
def test_why_a_profile_was_chosen_is_said(principal, account, words: str) -> None:
    """There need be no profile named default where the public registry is asked for."""
    assert reason_text({"principal": {"profile": "dev", **principal}, "account": account}) == words


def test_before_the_first_look_nothing_is_said_of_registries() -> None:
    """A new service does not know yet what stands in the files."""
    starting = document(overall="starting", summary="starting: reading docker's and podman's files")
    text = render(starting, NOW, Look(width=140))
    assert "reading docker's and podman's files" in text
    assert "No registry" not in text


def test_ignored_hosts_are_not_called_missing() -> None:
    """`ignore` excludes them on purpose; a scan would not help."""
    ignored = document(ignored=["h"], summary="1 host ignored ([discover] ignore)")
    text = render(ignored, NOW, Look(width=140))
    assert "1 host ignored ([discover] ignore)" in text
    assert "scan" not in text


def test_an_unwritten_token_is_not_shown_as_life_left() -> None:
    """The life of a token that no client finds is no news to anybody who pulls."""
    sink = {"path": FILE, "kind": "auths", "state": "unwritable", "detail": "permission denied."}
    sink |= {"works": False, "hint": "chmod u+w x", "command": "chmod u+w x"}
    row = registry(phase="unwritten", works_until=None, sinks=[sink])
    text = render(document(row, overall="degraded"), NOW, Look(width=140))
    assert "(11 h" not in text
    assert "not written" in text
    assert "\n  → chmod u+w x" in text


def test_what_another_program_wrote_is_said_once() -> None:
    for detail in (
        "written by another program",
        "written by another program: a login that ECR does not take",
    ):
        sink = {"path": FILE, "kind": "auths", "state": "foreign", "detail": detail}
        text = render(document(registry(sinks=[sink])), NOW, Look())
        assert f"  {FILE}: {detail}" in text.splitlines()


@pytest.mark.parametrize("width", [60, 80, 100, 120, 160])
def test_a_profile_of_another_account_is_seen_beside_its_own(width: int) -> None:
    """What rows share is their profile's name, not that it is of the right account for both."""
    other = registry(
        "111122223333.dkr.ecr.us-west-2.amazonaws.com",
        principal={"profile": "dev", "chosen_by": "default", "other_account": True},
        account="111122223333",
    )
    text = render(document(registry(), other), NOW, Look(width=width))

    assert "All 2: profile" not in text
    (line,) = [
        line for line in text.replace("\n  ", " ").splitlines() if re.search(r"1111.*another account", line)
    ]
    assert "dev (" in line
    if width >= 160:
        assert "dev (the only profile, of another account)" in line


@pytest.mark.parametrize("width", [None, 40, 120])
def test_each_line_of_a_command_can_be_pasted(width: int | None) -> None:
    """Two commands joined by a blank would be one, with the second as arguments of the first."""
    command = "ls -ld /home/u/.docker\nmv -n /home/u/.docker /home/u/.docker.old\x1b"
    helps = {"hint": f"See what it is, and move it away: {command}", "command": command}
    error = {"message": "Refused.", **helps}
    sink = {"path": FILE, "kind": "auths", "state": "unwritable", "detail": "No folder.", **helps}
    noticed = {"key": "x", "title": "T", "body": "B", **helps}
    shown = document(
        registry(last_error=error, sinks=[sink]),
        notices=[noticed],
        degraded=[complaint("Stalled.", command)],
        files=[{"path": "/other", "state": "unreadable", "detail": "D", **helps}],
    )
    lines = render(shown, NOW, Look(width=width)).splitlines()
    first = [at for at, line in enumerate(lines) if line == "  → ls -ld /home/u/.docker"]
    assert len(first) == 5
    assert {lines[at + 1].rstrip() for at in first} == {"  → mv -n /home/u/.docker /home/u/.docker.old"}
