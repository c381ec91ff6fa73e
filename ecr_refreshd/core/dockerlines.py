"""All that one rewrite changes in a docker config: entries, markers, helper lines, the store: bytes -> bytes.

Entries are the business of `dockerconfig`; here is what stands beside them, and the order in which it all goes.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

from ecr_refreshd.core.dockerconfig import OURS, Config
from ecr_refreshd.core.jsonedit import Fresh, Splice, quoted
from ecr_refreshd.core.secret import Secret


@dataclass(frozen=True, slots=True)
class Edits:
    """What one rewrite changes.

    Attributes:
        tokens: host -> the text of its entry.
        cleared: hosts whose entries go, in every form.
        marked: hosts whose entries give way to an empty one, as docker leaves it after a login to a store.
        helped: hosts whose clients are sent to our helper, whoever was asked before.
        unhelped: hosts whose line of ours goes; another program's line stays.
        restored: by such a host, the program that is named again in its place; "" is a line too.
        store: is named as the store, "" if nothing changes there.
        storeless: no store is named any more.
    """

    tokens: Mapping[str, Secret] = field(default_factory=dict)
    cleared: frozenset[str] = frozenset()
    marked: frozenset[str] = frozenset()
    helped: frozenset[str] = frozenset()
    unhelped: frozenset[str] = frozenset()
    restored: Mapping[str, str] = field(default_factory=dict)
    store: str = ""
    storeless: bool = False


def edited(data: bytes | None, edits: Edits) -> bytes | None:
    """Return a file with these edits; see `changed`. Raises JsonError."""
    return changed(Config.parse(data), edits, exists=data is not None)


def changed(config: Config, edits: Edits, *, exists: bool) -> bytes | None:
    """Return the file with these edits, and nothing else changed; None if there is none and nothing to put.

    Args:
        config: the file, scanned: of one with a thousand logins that takes longer than the edits.
        edits: what is to change.
        exists: there is such a file.
    """
    steps: list[Callable[[Config], bytes]] = []
    if exists and (edits.cleared or edits.marked):
        steps.append(lambda c: c.without_auths(edits.cleared | _untidily_marked(c, edits.marked)))
    if edits.marked:
        steps.append(lambda c: _with_marks(c, edits.marked))
    if edits.tokens:
        steps.append(lambda c: c.with_auths(edits.tokens))
    if edits.helped or (edits.unhelped and exists):
        steps.append(lambda c: _with_lines(c, edits))
    if edits.store:
        steps.append(lambda c: _with_store(c, edits.store))
    if edits.storeless and exists:
        steps.append(_without_store)
    data = config.document.data if exists else None
    for number, step in enumerate(steps):
        data = step(config if number == 0 else Config.parse(data))
    return data


def _untidily_marked(config: Config, hosts: Collection[str]) -> frozenset[str]:
    """Return those hosts under which more stands than the one empty entry."""
    forms = config.forms(hosts)
    return frozenset(
        host
        for host, members in forms.items()
        if any(member.name != host or config.pairs(member) for member in members)
    )


def _with_marks(config: Config, hosts: Collection[str]) -> bytes:
    missing = {quoted(host): "{}" for host in sorted(hosts) if not config.has_canonical(host)}
    return _with_members(config, "auths", missing) if missing else config.document.data


def _with_lines(config: Config, edits: Edits) -> bytes:
    """Return the file with a line of ours for some hosts, and without for others."""
    helped, unhelped = edits.helped, edits.unhelped
    splice = Splice(config.document)
    owners = list(config.objects("credhelpers"))
    there: set[str] = set()
    emptied: set[int] = set()
    for owner in owners:
        gone: set[int] = set()
        for index, member in enumerate(owner.members):
            if member.name in helped:
                there.add(member.name)
                if member.value != OURS:
                    splice.put(member.at, member.end, quoted(OURS))
            elif member.name in unhelped and member.value == OURS:
                if member.name in edits.restored:
                    splice.put(member.at, member.end, quoted(edits.restored[member.name]))
                else:
                    gone.add(index)
        if len(gone) == len(owner.members) and gone and not (owner is owners[-1] and helped - there):
            emptied.add(id(owner))
        elif gone:
            splice.edit(owner, gone, {})
    _drop_emptied(config, splice, emptied)
    data = splice.result()
    missing = {quoted(host): quoted(OURS) for host in sorted(helped - there)}
    return _with_members(Config.parse(data), "credHelpers", missing) if missing else data


def _drop_emptied(config: Config, splice: Splice, emptied: set[int]) -> None:
    """Drop the objects in which nothing but lines of ours stood: docker itself writes none that is empty."""
    root = config.document.root
    if root is None or not emptied:
        return
    splice.edit(root, {i for i, member in enumerate(root.members) if id(member.value) in emptied}, {})


def _with_store(config: Config, name: str) -> bytes:
    """Return the file with a store named in it; something of ours stands there by now, so it has a root."""
    splice = Splice(config.document)
    members = config.root_members("credsstore")
    if members:
        for member in members:
            splice.put(member.at, member.end, quoted(name))
        return splice.result()
    if config.document.root is not None:
        splice.edit(config.document.root, (), {quoted("credsStore"): quoted(name)})
    return splice.result()


def _without_store(config: Config) -> bytes:
    splice = Splice(config.document)
    root, named = config.document.root, config.root_members("credsstore")
    if root is not None and named:
        gone = {id(member) for member in named}
        splice.edit(root, {i for i, member in enumerate(root.members) if id(member) in gone}, {})
    return splice.result()


def _with_members(config: Config, name: str, fresh: Mapping[str, Fresh]) -> bytes:
    splice = Splice(config.document)
    config.add(splice, name, fresh)
    return splice.result()
