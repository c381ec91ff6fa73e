"""What is wrong in the AWS files: unreadable ones, sections of a wrong name, profiles that are not there."""

from __future__ import annotations

import codecs
import difflib
import os
import stat
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import cast

from ecr_refreshd.aws import mistakes
from ecr_refreshd.aws.ini import Problem
from ecr_refreshd.aws.profiles import Profiles, places
from ecr_refreshd.cli.doctor import pasted
from ecr_refreshd.cli.doctor.finding import Finding, Mend, Severity
from ecr_refreshd.cli.doctor.scene import Scene
from ecr_refreshd.core.model import Failure
from ecr_refreshd.core.remedies import aws as remedies
from ecr_refreshd.core.remedies import service
from ecr_refreshd.host import plainfile


def files(scene: Scene) -> Iterator[Finding]:
    """Find AWS files that cannot be read or do not parse, and profiles under a section that nobody reads."""
    if scene.aws is None:
        yield Finding(
            "aws.files",
            Severity.ERROR,
            "~/.aws",
            "The AWS files could not be read in time.",
            "Nobody can be asked for a token without them.",
            remedies.show_aws_folder().command,
        )
        return
    blocked = frozenset(host for host, each in scene.registries.items() if each.blocked is not None)
    for problem in _problems(scene):
        yield Finding(
            "aws.files",
            Severity.ERROR,
            "~/.aws",
            problem.message,
            "No profile of that file can be used, neither by the service nor by the AWS CLI.",
            pasted.advised(problem.remedy),
            mend=_without_mark(problem.marked_file) if problem.marked_file else None,
            hosts=blocked,
        )
    yield from _mistakes(scene)


def _without_mark(real: str) -> Mend:
    return Mend(f"{real} begins without a byte order mark now", partial(_remove_mark, Path(real)))


def _remove_mark(path: Path) -> None:
    """Take the byte order mark from a file, all else and its owner and mode kept. Raises OSError."""
    content, status = plainfile.read(path)
    if not content.startswith(codecs.BOM_UTF8):
        return
    fresh = path.with_name(f".{path.name}.ecr-refreshd")
    try:
        with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as file:  # noqa: PTH123 - a descriptor
            os.fchmod(file.fileno(), stat.S_IMODE(status.st_mode))
            if (status.st_uid, status.st_gid) != (os.geteuid(), os.getegid()):
                os.fchown(file.fileno(), status.st_uid, status.st_gid)
            file.write(content.removeprefix(codecs.BOM_UTF8))
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    except OSError:
        fresh.unlink(missing_ok=True)
        raise


def _mistakes(scene: Scene) -> Iterator[Finding]:
    """Find sections that nobody reads, and values that have another effect than was meant."""
    found = () if scene.aws is None else mistakes.everywhere(cast("Profiles", scene.aws.profiles))
    for mistake in found:
        unread = mistake.is_title
        known = mistake.profile in _known(scene)
        yield Finding(
            "aws.section" if unread else "aws.value",
            Severity.INFO if unread and known else Severity.WARNING,
            mistake.profile,
            mistake.problem.message,
            f"Of the profile {mistake.profile}, AWS programs know the rest only."
            if known and unread
            else f"The profile {mistake.profile} does not exist until that is corrected."
            if unread and mistake.hides_account
            else "No token can be had by it until that is corrected.",
            pasted.advised(mistake.problem.remedy),
        )


def _known(scene: Scene) -> Mapping[str, object]:
    return getattr(scene.aws.profiles, "profiles", {}) if scene.aws is not None else {}


def _problems(scene: Scene) -> tuple[Problem, ...]:
    return () if scene.aws is None else getattr(scene.aws.profiles, "problems", ())


def has_problems(scene: Scene) -> bool:
    """Return whether an AWS file cannot be read, which `files` says."""
    return bool(_problems(scene))


def is_mended(failure: Failure, scene: Scene) -> bool:
    """Return whether a failure that the service remembers is of an AWS file that shows nothing wrong any more."""
    if failure.code not in {"ConfigParseError", "aws.files"} or scene.aws is None or _problems(scene):
        return False
    return any(path in failure.message for path in places(scene.environ))


def _unread(scene: Scene) -> dict[str, mistakes.Mistake]:
    """Return the sections that no AWS program reads, by the name of the profile that they were meant to be."""
    if scene.aws is None:
        return {}
    found = mistakes.everywhere(cast("Profiles", scene.aws.profiles))
    return {each.profile: each for each in found if each.is_title}


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
        slip = name in _unread(scene)
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
    if slip := _unread(scene).get(name):
        return f": {slip.problem.message}"
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
