"""Promise 3: whatever two sides changed at once, nobody's edit is lost and our tokens stand."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from ecr_refreshd.core.dockerconfig import entries, put_auths
from ecr_refreshd.core.dockermerge import merge, merge_back
from ecr_refreshd.core.secret import Secret
from tests.core.configs import AUTH, HOST, OLD, OTHER, Written, written

TOKENS = {HOST: Secret(AUTH)}

names = st.sampled_from(["a.io", "b.io", "c.io", "d.io"])
entry = st.sampled_from([{"auth": "eDp5"}, {"auth": "eDp6"}, {}])
documents = st.fixed_dictionaries(
    {},
    optional={
        "auths": st.dictionaries(names, entry),
        "credHelpers": st.dictionaries(names, st.sampled_from(["x", "y"])),
        "psFormat": st.sampled_from(["p", "q"]),
        "plugins": st.dictionaries(names, st.dictionaries(names, names), max_size=2),
        "currentContext": st.sampled_from(["c"]),
    },
)
layouts = st.sampled_from(
    [{"indent": "\t"}, {"indent": 2}, {"separators": (",", ":")}, {"indent": 1, "sort_keys": True}]
)


def flat(document: dict[str, Any]) -> dict[tuple[str, str], Any]:
    """The members that can change by themselves."""
    found: dict[tuple[str, str], Any] = {}
    for name, value in document.items():
        if name in ("auths", "credHelpers"):
            found.update({(name, key): item for key, item in value.items() if key != HOST})
        else:
            found["", name] = value
    return found


@settings(max_examples=100, deadline=None)
@given(documents, documents, documents, layouts, layouts)
def test_every_change_of_either_side_survives_and_theirs_is_the_newer(
    base: dict[str, Any],
    ours: dict[str, Any],
    theirs: dict[str, Any],
    one: dict[str, Any],
    two: dict[str, Any],
) -> None:
    """Each side may be laid out in its own way: docker lays a file out anew whenever it saves."""
    merged = json.loads(
        merge(
            json.dumps(base, **one).encode(),
            json.dumps(ours, **two).encode(),
            json.dumps(theirs, **one).encode(),
            TOKENS,
        )
    )
    old, mine, new = flat(base), flat(ours), flat(theirs)
    expected = dict(new)
    for place in {*old, *mine}:
        if mine.get(place) != old.get(place) and new.get(place) == old.get(place):
            if place in mine:
                expected[place] = mine[place]
            else:
                expected.pop(place, None)
    assert flat(merged) == expected
    assert merged["auths"][HOST] == {"auth": AUTH}


@settings(max_examples=100, deadline=None)
@given(written(), written())
def test_an_edit_made_behind_our_first_write_keeps_all_its_bytes(base: Written, theirs: Written) -> None:
    ours = put_auths(base.data, TOKENS)
    merged = merge(ours, ours, theirs.data, TOKENS)
    assert theirs.frame.fullmatch(merged)


@settings(max_examples=100, deadline=None)
@given(written(), written(), written())
def test_a_merge_of_anything_is_a_document_with_our_token(
    base: Written, ours: Written, theirs: Written
) -> None:
    merged = merge(base.data, ours.data, theirs.data, TOKENS)
    assert entries(merged, [HOST])[HOST].auth == Secret(AUTH)


def test_an_empty_file_of_theirs_means_that_they_removed_everything() -> None:
    merged = merge(b'{"auths": {"a.io": {}}}', b'{"auths": {"a.io": {}, "b.io": {}}}', b"", TOKENS)
    assert set(json.loads(merged)["auths"]) == {"b.io", HOST}


def test_an_empty_base_means_that_the_file_was_being_written_when_it_was_read() -> None:
    ours = put_auths(b"", TOKENS)
    theirs = b'{"auths": {"a.io": {"auth": "eDp5"}}, "psFormat": "x"}'
    assert json.loads(merge(b"", ours, theirs, TOKENS)) == {
        "auths": {"a.io": {"auth": "eDp5"}, HOST: {"auth": AUTH}},
        "psFormat": "x",
    }


def test_an_edit_cut_off_by_a_crash_comes_back_whole_if_the_file_is_as_we_left_it() -> None:
    before = b'{"auths": {"a.io": {}, "b.io": {}}, "x": 1}'
    current = put_auths(before, {HOST: Secret(AUTH), OTHER: Secret(OLD)})
    cut_off = b'{"auths": {"b.io": {}, "c.io": {}}, "x": 2}'
    assert json.loads(merge_back(current, cut_off, untouched=True)) == {
        "auths": {"b.io": {}, "c.io": {}, HOST: {"auth": AUTH}, OTHER: {"auth": OLD}},
        "x": 2,
    }


def test_an_edit_cut_off_by_a_crash_only_adds_if_others_have_written_since() -> None:
    current = b'{"auths": {"b.io": {"auth": "eDp5"}, "d.io": {}}, "x": 3}'
    cut_off = b'{"auths": {"b.io": {}, "c.io": {}}, "x": 2, "y": 1}'
    assert json.loads(merge_back(current, cut_off, untouched=False)) == {
        "auths": {"b.io": {"auth": "eDp5"}, "d.io": {}, "c.io": {}},
        "x": 3,
        "y": 1,
    }
