"""What is wrong in the AWS files: unreadable ones, sections of a wrong name, profiles that are not there."""

from __future__ import annotations

import difflib
import re
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path

from ecr_refreshd.aws import ini
from ecr_refreshd.aws.profiles import places
from ecr_refreshd.cli.doctor import pasted
from ecr_refreshd.cli.doctor.finding import Finding, Severity
from ecr_refreshd.cli.doctor.scene import Scene
from ecr_refreshd.core.remedies import files as files_remedies
from ecr_refreshd.core.remedies import service
from ecr_refreshd.osutil import ownership

_KINDS = ("profile", "sso-session", "services", "default", "plugins", "preview", "dpc", "toolkit")
_OF_PROFILES = frozenset(
    {
        "sso_session",
        "sso_start_url",
        "sso_account_id",
        "sso_role_name",
        "role_arn",
        "source_profile",
        "region",
        "output",
    }
    | {
        "credential_source",
        "credential_process",
        "aws_access_key_id",
        "login_session",
        "web_identity_token_file",
    }
)
_UNREAD = " cannot be read: "


def files(scene: Scene) -> Iterator[Finding]:
    """Find AWS files that cannot be read or do not parse, and profiles under a section that nobody reads."""
    if scene.aws is None:
        yield Finding(
            "aws.files",
            Severity.ERROR,
            "~/.aws",
            "The AWS files could not be read in time.",
            "Nobody can be asked for a token without them.",
            "ls -l ~/.aws ~/.aws/sso/cache",
        )
        return
    for problem in _problems(scene):
        path, unread, _ = problem.partition(_UNREAD)
        yield Finding(
            "aws.files",
            Severity.ERROR,
            "~/.aws",
            problem,
            "Neither the service nor the AWS CLI can use a profile of a file that you may not read."
            if unread
            else "No profile of a file that does not parse can be used, here or by the AWS CLI.",
            _readable(path) if unread else _corrected(problem),
        )
    yield from _misnamed(scene)


def _readable(path: str) -> str:
    otherwise = "set AWS_CONFIG_FILE and AWS_SHARED_CREDENTIALS_FILE to files of yours"
    return files_remedies.given_back(ownership.deepest(path), otherwise=otherwise).page


def _corrected(problem: str) -> str:
    line = re.search(r"\bline ([0-9]+)", problem)
    named = next((word for word in problem.split(" ") if word.startswith("/")), "that file")
    return f"Correct line {line[1]} of {named}." if line else f"Correct {named}."


def _misnamed(scene: Scene) -> Iterator[Finding]:
    path = places(scene.environ)[0]
    for name in _sections(scene):
        right = f"[profile {shlex.quote(name)}]"
        line = _line_of(path, name)
        missing = name not in _known(scene)
        yield Finding(
            "aws.section",
            Severity.WARNING if missing else Severity.INFO,
            name,
            f"{path} has a section [{name}] (line {line}), and in that file a profile stands as {right}.",
            f"The AWS CLI and the service pass over it, so that there is no profile {name}."
            if missing
            else f"The AWS CLI and the service pass over it; of the profile {name} they know the rest.",
            pasted.steps(f"Write {right} there", [_renaming(path, line, name)])
            if re.fullmatch(r"[\w.-]+", name) and missing
            else f"Write {right} in line {line} of {path}.",
        )


def _renaming(path: str, line: int, name: str) -> str:
    return f"sed -i.bak '{line}s/\\[{name}\\]/[profile {name}]/' {shlex.quote(path)}"


def _sections(scene: Scene) -> list[str]:
    """Return the names of sections of the config file that can only be meant as profiles."""
    found = ini.read(places(scene.environ)[0]).sections
    return [
        title
        for title, keys in found.items()
        if title.split(" ")[0] not in _KINDS and _OF_PROFILES & keys.keys()
    ]


def _line_of(path: str, name: str) -> int:
    try:
        lines = Path(path).read_text(errors="replace").splitlines()
    except OSError:
        return 0
    return next((number for number, line in enumerate(lines, 1) if line.startswith(f"[{name}]")), 0)


def _known(scene: Scene) -> Mapping[str, object]:
    return getattr(scene.aws.profiles, "profiles", {}) if scene.aws is not None else {}


def _problems(scene: Scene) -> tuple[str, ...]:
    problems: tuple[str, ...] = () if scene.aws is None else getattr(scene.aws.profiles, "problems", ())
    return problems


def absent(scene: Scene) -> Iterator[Finding]:
    """Find profiles that somebody has named and that no AWS file has; one finding for each name."""
    found = nowhere(scene)
    variable = misspelt(scene)
    named = scene.shell.get(variable, "")
    if variable and (named, "environment") not in found:
        _, how = _in_shell(variable, _nearest(named, scene))
        yield Finding(
            "aws.profile",
            Severity.WARNING,
            named,
            f'{variable} of this shell names the profile "{named}", and the AWS files have none of that name'
            f"{_meant(named, scene)}",
            "The AWS CLI fails in this shell; the service takes another profile where one fits.",
            how,
        )
    for (name, chosen_by), hosts in found.items():
        slip = name in _sections(scene)
        where, how = _named_by(name, chosen_by, _nearest(name, scene), hosts, scene)
        yield Finding(
            "aws.profile",
            Severity.ERROR,
            name,
            f'{where} names the profile "{name}", and the AWS files have none of that name{_meant(name, scene)}',
            f"No token can be had for {', '.join(hosts[:3])} until that is corrected.",
            f"Correct that section (aws.section); {where} is right then." if slip else how,
            hosts=frozenset(hosts),
        )


def misspelt(scene: Scene) -> str:
    """Return the variable of this shell that names a profile which is not there, "" if none does."""
    if scene.aws is None or _problems(scene):
        return ""
    names = ("AWS_DEFAULT_PROFILE", "AWS_PROFILE")
    return next(
        (name for name in names if scene.shell.get(name) and scene.shell[name] not in _known(scene)), ""
    )


def _nearest(name: str, scene: Scene) -> str:
    return next(iter(difflib.get_close_matches(name, list(_known(scene)), 1, 0.6)), "NAME")


def _meant(name: str, scene: Scene) -> str:
    if name in _sections(scene):
        return f": there is [{name}], and it has to be [profile {name}]."
    near = _nearest(name, scene)
    return "." if near == "NAME" else f"; did you mean {near}?"


def nowhere(scene: Scene) -> dict[tuple[str, str], list[str]]:
    """Return the registries of profiles that are not there, by the profile's name and by what chose it."""
    if scene.aws is None or _problems(scene):
        return {}
    chosen: list[tuple[str, str, str]] = []
    if scene.running:
        principals = ((row["host"], row["principal"]) for row in scene.rows if row["last_error"] is not None)
        chosen = [(host, each["profile"], each["chosen_by"]) for host, each in principals if each is not None]
    else:
        kept = scene.registries.values()
        chosen = [(r.host, r.grant.principal.profile, str(r.chosen_by)) for r in kept if r.grant is not None]
    found: dict[tuple[str, str], list[str]] = {}
    for host, name, chosen_by in chosen:
        if name and name not in _known(scene):
            found.setdefault((name, chosen_by), []).append(host)
    return found


def _named_by(name: str, chosen_by: str, right: str, hosts: list[str], scene: Scene) -> tuple[str, str]:
    """Return who names a profile, and how another is named there."""
    if chosen_by != "environment":
        how = f"Under the [[registry]] of {hosts[0]} in {scene.config}:\nprofile = {pasted.quoted(right)}"
        return f"A [[registry]] of {scene.config}", how
    told = next(
        (each for each in ("AWS_DEFAULT_PROFILE", "AWS_PROFILE") if scene.environ.get(each) == name),
        "AWS_PROFILE",
    )
    given = pasted.variables(scene)
    if told in given or scene.running:
        whose = "the settings" if told in given else "the service's environment"
        return f"{told} of {whose}", pasted.environment({**given, told: right}, scene)
    return _in_shell(told, right)


def _in_shell(variable: str, right: str) -> tuple[str, str]:
    if right == "NAME":
        remedy = service.unset_profile(variable)
    else:
        words = "Correct it where it is set too (~/.profile, .envrc):"
        remedy = service.set_variable(variable, right, words)
    return f"{variable} of this shell", remedy.page
