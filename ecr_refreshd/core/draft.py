"""A configuration as `init` proposes it: which registries, by which profiles, and why, in its comments."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ecr_refreshd.core import hosts
from ecr_refreshd.core.model import ChosenBy

_WHY = {
    ChosenBy.ENVIRONMENT: "AWS_PROFILE names it",
    ChosenBy.ACCOUNT: "its account is this one",
    ChosenBy.DEFAULT: "nothing else fits; correct it if it does not either",
    ChosenBy.AMBIENT: "the credentials of this machine: environment, container or instance",
}
_NONE_FITS = "no profile fits this account; name one, or make one: aws configure sso"
_EXAMPLE = (
    "# No registry was found. One is named so:",
    "# [[registry]]",
    '# account = "724013829182"',
    '# regions = ["us-west-2"]',
    '# profile = "dev"   # left out: found by the account',
)
_PLACES = 3
"""So many places are listed; more are counted."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A registry that was found.

    Attributes:
        host: canonical.
        places: where it was found, in words.
        profile: who is to be asked, "" for the ambient chain, None if nobody can be told.
        chosen_by: why this one.
        others: further profiles that fit.
        then: where it is the ambient chain, who is tried behind that; no profile is written then, since one that
            is written is the only one that is tried.
        reason: why this one, where the rule alone does not say it.
        partition: of its region, "" if no such region is known.
    """

    host: str
    places: tuple[str, ...]
    profile: str | None
    chosen_by: ChosenBy = ChosenBy.ACCOUNT
    others: tuple[str, ...] = ()
    partition: str = ""
    reason: str = ""
    then: tuple[str, ...] = ()


def draft(found: Iterable[Candidate], unresolved: Sequence[str], commented: Sequence[str] = ()) -> str:
    """Return the text of a configuration.

    Args:
        found: the registries.
        unresolved: where names stand that hold variables, in words.
        commented: registries that comments alone name, and where, in words.
    """
    lines = [
        "# Proposed by `ecr-refreshd init`. Every key, with its default: ecr-refreshd config show",
        "# Registries found in docker's and podman's files are kept as well, whether they are named here or not.",
    ]
    groups = _grouped(found)
    for group in groups:
        lines += ["", *_table(group)]
    if not groups:
        lines += ["", *_EXAMPLE]
    if unresolved:
        lines += ["", "# Named with variables, so that it cannot be told which registries are meant:"]
        lines += [f"#   {_comment(each)}" for each in unresolved]
    if commented:
        lines += ["", "# Named in comments only, and so left out:"]
        lines += [f"#   {_comment(each)}" for each in commented]
    return "\n".join(lines) + "\n"


def _grouped(found: Iterable[Candidate]) -> list[list[Candidate]]:
    """Put those together that one table can name: an account's classic hosts with one profile."""
    groups: dict[tuple[str, ...], list[Candidate]] = {}
    for each in found:
        host = hosts.parse(each.host)
        key: tuple[str, ...] = (each.host,)
        if host is not None and host.account and each.partition and _is_classic(each):
            key = (
                host.account,
                each.partition,
                str(each.profile),
                str(each.chosen_by),
                each.reason,
                *each.then,
            )
        groups.setdefault(key, []).append(each)
    return list(groups.values())


def _is_classic(each: Candidate) -> bool:
    host = hosts.parse(each.host)
    if host is None or host.account is None:
        return False
    return hosts.private_name(host.account, host.region, each.partition) == each.host


def _table(group: Sequence[Candidate]) -> list[str]:
    first = group[0]
    lines = [f"# {_comment(each.host)}: {_comment(_listed(each.places))}" for each in group]
    if not first.partition:
        lines.append("# botocore knows no such region; upgrade it, or take this one out.")
    lines.append("[[registry]]")
    host = hosts.parse(first.host)
    if host is not None and host.account and first.partition and _is_classic(first):
        regions = sorted({region for each in group if (region := _region(each))})
        lines += [f"account = {_text(host.account)}", f"regions = [{', '.join(map(_text, regions))}]"]
    else:
        lines.append(f"host = {_text(first.host)}")
    if first.profile is None:
        lines.append(f'# profile = "NAME"   # {_NONE_FITS}')
    elif first.then:
        after = ", ".join(first.then)
        lines.append(
            f"# No profile: the service tries the credentials of this machine, then {_comment(after)}."
        )
    else:
        lines.append(
            f"profile = {_text(first.profile)}   # {_comment(first.reason) or _WHY[first.chosen_by]}"
        )
    others = dict.fromkeys(name for each in group for name in each.others)
    if others:
        lines.append(f"# {_comment(', '.join(others))} would fit too.")
    if first.partition and first.profile is not None:
        return lines
    return [line if line.startswith("#") else f"# {line}" for line in lines]


def _region(each: Candidate) -> str:
    host = hosts.parse(each.host)
    return host.region if host else ""


def _listed(places: Sequence[str]) -> str:
    more = f", and {len(places) - _PLACES} more" if len(places) > _PLACES else ""
    return ", ".join(places[:_PLACES]) + more


def _comment(text: str) -> str:
    """Return a text that stays on its line; TOML allows no control characters in comments."""
    return "".join(char if char.isprintable() else "?" for char in text)


def _text(text: str) -> str:
    """Return a TOML string: JSON's escapes are TOML's, but for those of characters beyond the 16 bits."""
    return json.dumps(text, ensure_ascii=False)
