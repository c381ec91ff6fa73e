"""The three-way merge of a docker config: what others changed on either side survives, our tokens win.

It is needed when a rewrite finds that the file it displaced was not the one it had read. The unit is one member:
of the document, and of ``auths`` and ``credHelpers`` within it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ecr_refreshd.core.dockerconfig import OPENED, put_auths, read
from ecr_refreshd.core.jsonedit import Fresh, Splice
from ecr_refreshd.core.jsontext import Document, JsonObject, Member, folded, scan
from ecr_refreshd.core.secret import Secret

_Place = tuple[str, str]  # ("" or the folded name of the object, the member's name)


def merge(base: bytes, ours: bytes, theirs: bytes, tokens: Mapping[str, Secret]) -> bytes:
    """Return `theirs` with what `ours` had changed since `base`, and with the tokens.

    Args:
        base: the version both sides began with. Where it is not known, ``b"{}"``: then `ours` only adds.
        ours: the version that displaced `theirs`; it may carry edits of others from an earlier round.
        theirs: the newest version. Where both sides changed one member it wins, and its layout is kept.
        tokens: canonical host -> ``auth`` text, written last.

    Raises:
        JsonError: one of the three is not what docker and podman accept.
    """
    old, new, document = (scan(data, OPENED) for data in (base, ours, theirs))
    before, after, there = (_places(each) for each in (old, new, document))
    changed = {
        place: after.get(place)
        for place in [*after, *(place for place in before if place not in after)]
        if not _same(before.get(place), after.get(place)) and _same(before.get(place), there.get(place))
    }
    return put_auths(_applied(document, new, changed) if changed else theirs, tokens)


def merge_back(current: bytes, cut_off: bytes, *, untouched: bool) -> bytes:
    """Return the file with an edit in it that a crash of ours had cut off.

    Args:
        current: the file as it stands, with the tokens we last wrote.
        cut_off: the version that our rewrite had displaced and not yet merged.
        untouched: nobody has changed the file since. If somebody has, what both lack or share is not known, and
            only what is missing from the file is added to it.

    Raises:
        JsonError: one of the two is not what docker and podman accept.
    """
    hosts = read(current, ()).ecr_hosts
    found = read(current, hosts).entries
    tokens = {host: entry.auth for host, entry in found.items() if entry.auth is not None}
    if untouched:
        return merge(current, current, cut_off, tokens)
    return merge(b"{}", cut_off, current, tokens)


@dataclass(frozen=True, slots=True)
class _Found:
    """A member and the text of the document it stands in."""

    member: Member
    text: str

    @property
    def key(self) -> str:
        return self.text[self.member.start : self.member.colon]

    @property
    def value(self) -> str:
        return self.text[self.member.at : self.member.end]


def _places(document: Document) -> dict[_Place, _Found]:
    """Return the members that can change by themselves; of equal ones the last, as readers take it."""
    places: dict[_Place, _Found] = {}
    for member in document.root.members if document.root else ():
        if isinstance(member.value, JsonObject):
            group = folded(member.name)
            places.update({(group, m.name): _Found(m, document.text) for m in member.value.members})
        elif folded(member.name) not in OPENED:
            places["", member.name] = _Found(member, document.text)
    return places


def _same(one: _Found | None, other: _Found | None) -> bool:
    """Tell whether two members say the same, however they are laid out (docker lays out anew at each save)."""
    if one is None or other is None:
        return one is other
    if one.value == other.value:
        return True
    try:
        return bool(_sorted(one.member.value) == _sorted(other.member.value))
    except RecursionError:
        return False


def _sorted(value: Any) -> Any:
    """Return a value whose objects compare equal in any order: docker sorts keys."""
    if isinstance(value, tuple):
        return {name: _sorted(item) for name, item in value}
    return [_sorted(item) for item in value] if isinstance(value, list) else value


def _applied(document: Document, new: Document, changed: Mapping[_Place, _Found | None]) -> bytes:
    """Return a document with these members replaced, dropped (None) or added."""
    if document.root is None:
        document = scan(b"{}")
    splice = Splice(document)
    members = document.root.members if document.root else ()
    whole, added = _edits(splice, members, "", changed)
    for group in sorted(OPENED):
        owners = [member for member in members if folded(member.name) == group]
        for member in owners:
            if isinstance(member.value, JsonObject):
                dropped, fresh = _edits(splice, member.value.members, group, changed)
                splice.edit(member.value, dropped, fresh if member is owners[-1] else {})
        _, fresh = _edits(splice, (), group, changed)
        if fresh and not owners:
            added[_key_of(new, group)] = fresh
        elif fresh and owners[-1].value is None:
            splice.put(owners[-1].at, owners[-1].end, fresh)
    if document.root is not None:
        splice.edit(document.root, whole, added)
    return splice.result()


def _edits(
    splice: Splice, members: Sequence[Member], group: str, changed: Mapping[_Place, _Found | None]
) -> tuple[set[int], dict[str, Fresh]]:
    """Put the changed values of one object; return which of its members go, and which come."""
    dropped: set[int] = set()
    coming = {name: found for (where, name), found in changed.items() if where == group}
    for index, member in enumerate(members):
        if member.name in coming:
            found = coming[member.name]
            if found is None:
                dropped.add(index)
            else:
                splice.put(member.at, member.end, found.value)
    there = {member.name for member in members}
    return dropped, {found.key: found.value for name, found in coming.items() if found and name not in there}


def _key_of(document: Document, group: str) -> str:
    """Return the key, as spelt there, of the object that Go reads as this field."""
    members = document.root.members if document.root else ()
    return next(document.text[m.start : m.colon] for m in members if folded(m.name) == group)
