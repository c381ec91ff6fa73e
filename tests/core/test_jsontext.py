"""The scanner under promise 3: every span is exact, and what Go refuses is refused."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecr_refreshd.core.jsontext import MAX_DEPTH, Deep, JsonError, JsonObject, Number, scan, scan_object
from tests.core.configs import Written, written

json_values = st.recursive(
    st.one_of(
        st.text(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.booleans(), st.none()
    ),
    lambda inner: st.one_of(st.lists(inner), st.dictionaries(st.text(), inner)),
    max_leaves=10,
)


@settings(max_examples=120, deadline=None)
@given(written())
def test_every_span_is_the_text_of_its_member(config: Written) -> None:
    document = scan(config.data, frozenset({"auths"}))
    pairs = json.loads(config.data, object_pairs_hook=lambda found: found)
    members = document.root.members if document.root else ()
    assert [member.name for member in members] == [name for name, _ in pairs]
    for member, (_, value) in zip(members, pairs, strict=True):
        text = config.data[member.at : member.end]
        assert json.loads(text, object_pairs_hook=lambda found: found) == value
        assert json.loads(config.data[member.start : member.colon]) == member.name


@settings(max_examples=120, deadline=None)
@given(st.dictionaries(st.text(), json_values), st.data())
def test_no_proper_prefix_of_a_document_is_one(value: dict[str, object], data: st.DataObject) -> None:
    """A torn read can never be taken for the whole file."""
    text = json.dumps(value).encode()
    cut = data.draw(st.integers(1, len(text) - 1))
    with pytest.raises(JsonError):
        scan(text[:cut])


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=40) | st.text('{}[],:"\\ue0123-. \t\n1truefalsn', max_size=30).map(str.encode))
def test_garbage_is_an_error_with_a_place_and_never_anything_else(garbage: bytes) -> None:
    place = (1, 1)
    try:
        scan(b'{"a": ' + garbage)
    except JsonError as error:
        place = (error.line, error.column)
    assert min(place) >= 1


@pytest.mark.parametrize("depth", [MAX_DEPTH - 1, 3000, 10])
def test_nesting_up_to_gos_limit_is_read(depth: int) -> None:
    root = scan(b'{"a": ' + b"[" * depth + b"]" * depth + b"}").root
    assert root is not None
    assert isinstance(root.members[0].value, Deep if depth >= 3000 else list)


@pytest.mark.parametrize("depth", [MAX_DEPTH, 100_000, 1_000_000])
def test_nesting_beyond_it_is_an_error_and_no_crash(depth: int) -> None:
    with pytest.raises(JsonError, match="nested"):
        scan(b'{"a": ' + b"[" * depth)


@pytest.mark.parametrize(
    "inside",
    [
        b"01",
        b"1.",
        b".5",
        b"+1",
        b"1e",
        b'"\\x"',
        b'"\t"',
        b"tru",
        b"NaN",
        b"-",
        b"]",
        b"{,}",
        b"[1,]",
        b'"\\u12"',
    ],
)
def test_the_slow_way_through_deep_values_is_as_strict_as_the_fast_one(inside: bytes) -> None:
    for depth in (2, 3000):
        with pytest.raises(JsonError):
            scan(b'{"a": ' + b"[" * depth + inside + b"]" * depth + b"}")


@settings(max_examples=100, deadline=None)
@given(json_values)
def test_the_slow_way_takes_what_the_fast_one_takes(value: object) -> None:
    inner = json.dumps(value).encode()
    whole = b"[" * 2000 + inner + b"]" * 2000
    root = scan(b'{"a": ' + whole + b', "b": 1}').root
    assert root is not None
    assert root.members[0].value == Deep(whole.decode())
    assert root.members[1].value == Number("1")


def test_numbers_keep_their_spelling() -> None:
    root = scan(b'{"a": 1.0, "b": 1' + b"0" * 5000 + b"}").root
    assert root is not None
    assert root.members[0].value == Number("1.0")
    assert len(root.members[1].value.text) == 5001


@pytest.mark.parametrize(
    ("data", "place"),
    [
        (b'{\n  "a": 1,\n  "b": x\n}', (3, 8)),
        ('{"ä": x}'.encode(), (1, 7)),
        (b'{"a": "\n"}', (1, 8)),
        (b'{"a" 1}', (1, 6)),
        (b'{"a": 1 "b": 2}', (1, 9)),
        (b"{a: 1}", (1, 2)),
        (b'{\r\n"a": "x', (2, 6)),
        (b'{"a": {"b": 1, "b" 2}}', (1, 20)),
    ],
)
def test_an_error_names_line_and_column_in_characters(data: bytes, place: tuple[int, int]) -> None:
    with pytest.raises(JsonError) as refused:
        scan(data)
    assert (refused.value.line, refused.value.column) == place


def test_an_object_within_is_scanned_by_itself() -> None:
    text = 'x {"a": {"b": []}, "a": 2} y'
    found = scan_object(text, 2)
    assert isinstance(found, JsonObject)
    assert text[found.start : found.end] == '{"a": {"b": []}, "a": 2}'
    assert [member.value for member in found.members] == [(("b", []),), Number("2")]
