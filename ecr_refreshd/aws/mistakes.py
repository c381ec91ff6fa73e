"""Find what stands in the AWS files and has no effect, or another than was meant: titles, values, references.

botocore passes over most of it without a word and fails somewhere else. Rules: nothing is run and nobody is
asked; no value of a key that may hold a secret is quoted; a command is given only where one line changes.
"""

from __future__ import annotations

import difflib
import os
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from ecr_refreshd.aws import ini
from ecr_refreshd.aws.ini import Problem
from ecr_refreshd.aws.profile import Profile
from ecr_refreshd.aws.profiles import Profiles, places
from ecr_refreshd.core.remedies import aws as remedies

_KINDS = ("profile", "sso-session", "services", "default", "plugins", "preview", "dpc", "toolkit")
"""Kinds of sections that one AWS program or another reads."""
_MEANT = re.compile(r"(profiles?|sso[-_ ]?sessions?|services?)(?:[\s:]+|(?<=n)[-_])\s*(\S.*)", re.IGNORECASE)
_ACCOUNT_KEYS = ("sso_account_id", "granted_sso_account_id", "aws_account_id")
_OF_SESSION = frozenset({"sso_region", "sso_start_url", "sso_registration_scopes"})
_OF_PROFILE = frozenset({
    "sso_session", "sso_account_id", "sso_role_name", "role_arn", "source_profile", "credential_source",
    "credential_process", "aws_access_key_id", "login_session", "web_identity_token_file", "region", "output",
    "granted_sso_account_id", "granted_sso_start_url", "mfa_serial",
})  # fmt: skip
_MATTERING = (
    *_ACCOUNT_KEYS, "role_arn", "source_profile", "credential_source", "sso_session", "sso_start_url",
    "sso_region", "sso_role_name", "aws_access_key_id", "aws_secret_access_key", "aws_session_token",
    "external_id", "web_identity_token_file", "login_session", "mfa_serial", "ca_bundle",
)  # fmt: skip
"""Keys whose value goes to AWS, or decides who is asked."""
_SHOWN = frozenset(_MATTERING) - {
    "aws_access_key_id",
    "aws_secret_access_key",
    "aws_session_token",
    "external_id",
}
_QUOTED = re.compile(r"""(["'])(.*)\1""")
_COMMENT = re.compile(r"\s+[#;].*")
_COMMENTED = re.compile(r"([^\]]+)\]\s*[#;].*")
"""A title and the comment behind it, where that holds a bracket, up to which the parser takes a title."""
_PLAIN = re.compile(r"[\w./:@=+,#~?%-]+", re.ASCII)
_SHELLS = frozenset({"sh", "bash", "zsh", "dash", "ksh", "fish"})
_OPERATOR = re.compile(r"(\d*|&)[<>].*|\|{1,2}|&{1,2}|;")
_VARIABLE = re.compile(r"\$(?:\w|\{|\()|`")
_LISTED_WORDS = 60


@dataclass(frozen=True, slots=True)
class Mistake:
    """One thing that stands wrong.

    Attributes:
        profile: the profile that suffers; "" if none is known by that name.
        problem: what is wrong, and what helps.
        account: the account that the section would be for; "" if it does not say.
        hides_account: without it, a profile would be found for that account.
        is_title: it is a section that no AWS program reads.
    """

    profile: str
    problem: Problem
    account: str = ""
    hides_account: bool = False
    is_title: bool = False


class _Files:
    """Both files with their lines, as the environment of these profiles names them."""

    def __init__(self, profiles: Profiles) -> None:
        self.profiles = profiles
        self.config, self.credentials = places(profiles.environ)

    @cached_property
    def lines(self) -> dict[str, dict[tuple[str, str], int]]:
        """The line of each title and key, by path."""
        return {path: ini.lines(path) for path in (self.config, self.credentials)}

    def place(self, profile: str, key: str) -> tuple[str, int, str]:
        """Return the path, line and title at which a profile sets a key; line 0 if that cannot be told."""
        found = self.lines[self.credentials].get((profile, key))
        if found:
            return self.credentials, found, f"[{profile}]"
        for (title, each), line in self.lines[self.config].items():
            if each == key and profile in ini.named({title: {}}, "profile"):
                return self.config, line, f"[{title}]"
        return self.config, 0, f"[profile {profile}]"


def _at(path: str, line: int) -> str:
    return f"{path}, line {line}:" if line else f"{path}:"


def on_the_way(profiles: Profiles, name: str) -> Problem | None:
    """Return what stands wrong in the profiles by which one gets its credentials; None if nothing is known to.

    Args:
        profiles: the files, read.
        name: the profile that was asked.
    """
    files = _Files(profiles)
    seen: set[str] = set()
    while name and name not in seen:
        seen.add(name)
        profile = profiles.profiles.get(name)
        if profile is None:
            return next((each.problem for each in _titles(files) if each.profile == name), None)
        for mistake in _of_profile(profile, files):
            return mistake.problem
        name = profile.keys.get("source_profile", "") if profile.assumes else ""
    return None


def everywhere(profiles: Profiles) -> list[Mistake]:
    """Return all that stands wrong, titles first; empty where a file cannot be read at all."""
    if profiles.problems:
        return []
    files = _Files(profiles)
    found = list(_titles(files))
    for profile in profiles.profiles.values():
        found.extend(_of_profile(profile, files, certain=True))
    return found


# -- titles ----------------------------------------------------------------------------------------------------


def quoted_name(name: str) -> str:
    """Return a name as the title of a section needs it, so that it is one word of a shell."""
    if "'" in name and not set(name) & {'"', "\\"}:
        return f'"{name}"'
    return shlex.quote(name)


def _titles(files: _Files) -> Iterator[Mistake]:
    """Find sections that no AWS program reads, and what their titles were meant to be."""
    config = ini.read(files.config).sections
    for title, keys in config.items():
        right = _right_title(title, keys)
        if right is not None:
            yield _unread(files.config, title, *right, keys, files)
    for title, keys in ini.read(files.credentials).sections.items():
        bare_title = _COMMENTED.sub(r"\1", title)
        kind, _, name = bare_title.partition(" ")
        name = name if kind == "profile" else bare_title if bare_title != title else ""
        if name.strip() and _OF_PROFILE & keys.keys():
            bare = name.strip().strip("\"'")
            yield _unread(files.credentials, title, bare, f"[{bare}]", keys, files)


def _right_title(title: str, keys: Mapping[str, str]) -> tuple[str, str] | None:
    """Return the name and title that a section was meant to have; None if it is read, or not one of AWS's."""
    if any(ini.named({title: {}}, kind) for kind in ("profile", "sso-session", "services")):
        return None
    is_session = (
        bool(_OF_SESSION & keys.keys()) and not (_OF_PROFILE - {"sso_session", "region"}) & keys.keys()
    )
    if not (is_session or _OF_PROFILE & keys.keys()):
        return None
    commented, title = title, _COMMENTED.sub(r"\1", title)
    meant = _MEANT.fullmatch(title.strip())
    if meant is None:
        if title.strip() in _KINDS and (title == commented or title.strip() != "default"):
            return None
        kind, name = ("sso-session" if is_session else "profile"), title.strip()
    else:
        word = meant[1].lower()
        kind = (
            "sso-session" if word.startswith("sso") else "services" if word.startswith("serv") else "profile"
        )
        name = meant[2].strip()
    name = name.strip('"') if name.count('"') else name
    name = name[1:-1] if len(name) > 1 and name[0] == name[-1] == "'" else name
    if kind == "profile" and name.lower() == "default":
        return "default", "[default]"
    return name, f"[{kind} {quoted_name(name)}]"


def _unread(path: str, title: str, name: str, right: str, keys: Mapping[str, str], files: _Files) -> Mistake:
    line = files.lines[path].get((title, ""), 0)
    what = f"{path} has a section [{title}] (line {line}) that no AWS program reads; it has to be {right}."
    commented = _COMMENTED.fullmatch(title) is not None
    helps = remedies.rename_title(os.path.realpath(path), line, right, and_rest=commented)
    is_profile = not right.startswith(("[sso-session", "[services"))
    return Mistake(
        name, Problem(what, helps), Profile(name, keys).account, hides_account=is_profile, is_title=True
    )


# -- values ----------------------------------------------------------------------------------------------------


def _of_profile(profile: Profile, files: _Files, *, certain: bool = False) -> Iterator[Mistake]:
    """Find what stands wrong in a profile; `certain`: only what cannot work, as nothing has failed yet."""
    problems = (
        *_values(profile, files),
        *_references(profile, files),
        *_program(profile, files, certain=certain),
    )
    hides = any(not _is_account(profile.keys[key]) for key in _ACCOUNT_KEYS if key in profile.keys)
    for problem in problems:
        account = "" if hides else profile.account
        yield Mistake(profile.name, problem, account, hides_account=hides)


def _is_account(value: str) -> bool:
    return re.fullmatch(r"[0-9]{12}", value) is not None


def _values(profile: Profile, files: _Files) -> Iterator[Problem]:
    """Find values with quotes or comments, which AWS programs take as part of them, and odd accounts."""
    for key in _MATTERING:
        value = profile.keys.get(key, "")
        plain = _plain(value)
        is_account = key in _ACCOUNT_KEYS
        if is_account and _is_account(value):
            continue
        if value and (is_account or plain != value):
            yield _wrong_value(profile.name, key, value, plain, files)


def _plain(value: str) -> str:
    """Return a value without what a person put around it: quotes, a comment behind it."""
    bare = _COMMENT.sub("", value).strip()
    quoted = _QUOTED.fullmatch(bare)
    return quoted[2].strip() if quoted else bare


def _wrong_value(profile: str, key: str, value: str, plain: str, files: _Files) -> Problem:
    path, line, _ = files.place(profile, key)
    shown = f' is "{value[:_LISTED_WORDS]}"' if key in _SHOWN else " has quotes or a comment around it"
    what = f"{_at(path, line)} {key}{shown}"
    if key in _ACCOUNT_KEYS:
        digits = re.sub(r"[^0-9]", "", plain)
        right = digits if len(digits) == 12 else ""
        what = f"{what}, which is no account number (twelve digits, nothing else)."
    else:
        right = plain if key in _SHOWN and _PLAIN.fullmatch(plain) else ""
        what = f"{what}; AWS programs take quotes and comments for a part of the value."
    if right and line:
        return Problem(what, remedies.rewrite_value(os.path.realpath(path), line, key, right))
    need = "twelve digits" if key in _ACCOUNT_KEYS else "without quotes, and with nothing behind the value"
    return Problem(what, remedies.correct_value(key, line, path, need))


# -- what profiles name ----------------------------------------------------------------------------------------


def _references(profile: Profile, files: _Files) -> Iterator[Problem]:
    keys = profile.keys
    sources = {"source_profile", "credential_source", "web_identity_token_file"}
    if "role_arn" in keys and not sources & keys.keys():
        path, line, _ = files.place(profile.name, "role_arn")
        named = f'{_at(path, line)} profile "{profile.name}"'
        if any(key.startswith("sso_") for key in keys):
            what = f"{named} has role_arn beside sso_ keys, and AWS programs then use neither."
            yield Problem(what, remedies.separate_sso_profile(profile.name, path))
        elif not profile.has_keys:
            what = f"{named} has role_arn, and neither source_profile nor credential_source."
            yield Problem(what, remedies.add_source_profile(profile.name, path))
    source = keys.get("source_profile", "")
    if profile.assumes and source and source not in files.profiles.profiles and _plain(source) == source:
        yield _missing(profile.name, "source_profile", source, files.profiles.profiles, files)
    session = keys.get("sso_session", "")
    if session and not profile.assumes and _plain(session) == session:
        yield from _of_session(profile, session, files)


def _missing(profile: str, key: str, name: str, known: Mapping[str, object], files: _Files) -> Problem:
    """Return the words for a name that no section has: a title that nobody reads, or a slip of the pen."""
    kind = "profile" if key == "source_profile" else "sso-session"
    path, line, _ = files.place(profile, key)
    what = f'{_at(path, line)} {key} names "{name}", and there is no [{kind} {quoted_name(name)}]'
    if unread := next((each for each in _titles(files) if each.profile == name), None):
        return Problem(f"{what}: {unread.problem.message}", unread.problem.remedy)
    near = difflib.get_close_matches(name, list(known), 1, 0.6)
    what = f"{what}; did you mean {near[0]}?" if near else f"{what}."
    if near and line and _PLAIN.fullmatch(near[0]):
        return Problem(what, remedies.rewrite_value(os.path.realpath(path), line, key, near[0]))
    return Problem(what, remedies.correct_value(key, line, path, f"the name of a [{kind} ...]"))


def _of_session(profile: Profile, session: str, files: _Files) -> Iterator[Problem]:
    sessions = files.profiles.sessions
    if session not in sessions:
        yield _missing(profile.name, "sso_session", session, sessions, files)
        return
    for key in ("sso_start_url", "sso_region"):
        own, shared = profile.keys.get(key), sessions[session].get(key)
        if own is not None and shared is not None and own != shared:
            path, line, title = files.place(profile.name, key)
            what = (
                f"{_at(path, line)} {key} is {own}, and the [sso-session {quoted_name(session)}] that "
                f'profile "{profile.name}" uses says {shared}.'
            )
            yield Problem(what, remedies.delete_line(os.path.realpath(path), line, key, title))


# -- credential_process ----------------------------------------------------------------------------------------


def _program(profile: Profile, files: _Files, *, certain: bool) -> Iterator[Problem]:
    """Find what only a shell would understand: AWS programs start a credential_process without one."""
    line_of = profile.keys.get("credential_process", "")
    try:
        words = shlex.split(line_of)
    except ValueError:
        words = []
        if line_of:
            path, line, _ = files.place(profile.name, "credential_process")
            what = f"{_at(path, line)} credential_process has a quote that is not closed."
            yield Problem(what, remedies.correct_value("credential_process", line, path, "close the quote"))
    if not words or (words[0].rpartition("/")[2] in _SHELLS and "-c" in words[1:3]):
        return
    if certain:
        words = words[:1]  # a program may well expand what it is given
    unexpanded = next((w for w in words if w == "~" or w.startswith("~/") or _VARIABLE.search(w)), "")
    operator = next((word for word in words[1:] if _OPERATOR.fullmatch(word)), "")
    path, line, _ = files.place(profile.name, "credential_process")
    place = f"{_at(path, line)} credential_process"
    if unexpanded:
        sign = "~" if unexpanded.startswith("~") else "variables"
        what = f"{place} names {unexpanded}, and AWS programs do not expand {sign} there."
        yield Problem(what, remedies.correct_value("credential_process", line, path, "write the full path"))
    elif operator:
        what = f"{place} has {operator}, which only a shell understands; the program gets it as an argument."
        need = "leave it out, or write sh -c '...' around the command"
        yield Problem(what, remedies.correct_value("credential_process", line, path, need))
