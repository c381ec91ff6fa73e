"""Promise 3 (lossless) and promise 5 (read by all), on the bytes alone."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings

from ecr_refreshd.core.dockerconfig import entries, put_auths, read
from ecr_refreshd.core.jsontext import JsonError
from ecr_refreshd.core.model import ABSENT, Entry, EntryKind, expiry_hint, fingerprint
from ecr_refreshd.core.secret import Secret
from tests.core.configs import AUTH, FOREIGN, FORMS, HOST, OLD, OTHER, Written, written

TOKENS = {HOST: Secret(AUTH)}
WRITTEN = Entry(EntryKind.TOKEN, fingerprint(AUTH), None, Secret(AUTH), untidy=False)


def pairs_of(data: bytes) -> Any:
    return json.loads(data, object_pairs_hook=lambda pairs: ("object", pairs), parse_float=str, parse_int=str)


def go_fold(name: str) -> str:
    return name.replace("\u017f", "s").replace("\u212a", "k").lower()


def go_entries(data: bytes) -> dict[str, dict[str, Any]]:
    """What Go's decoder makes of ``auths``, modelled apart from the code: objects merge, equal keys replace."""
    merged: dict[str, dict[str, Any]] = {}
    _, root = pairs_of(data)
    for name, value in root:
        if go_fold(name) != "auths":
            continue
        if value is None:
            merged = {}
            continue
        for host, entry in value[1]:
            merged[host] = {}
            for field, text in entry[1] if entry else ():
                if text is not None:
                    merged[host][go_fold(field)] = text
    return merged


def others(data: bytes) -> Any:
    """The document without our entries, duplicates, order and all."""
    _, root = pairs_of(data)
    rest = []
    for name, value in root:
        if go_fold(name) != "auths":
            rest.append((name, value))
        else:
            strangers = [pair for pair in (value[1] if value else []) if pair[0] not in FORMS]
            rest.append((name, strangers))
    # A new "auths" is ours; one that was there with nothing else in it is told from it by nobody.
    return [pair for pair in rest if go_fold(pair[0]) != "auths" or pair[1]]


@settings(max_examples=250, deadline=None)
@given(written())
def test_no_byte_outside_our_entries_changes(config: Written) -> None:
    assert config.frame.fullmatch(config.data)

    new = put_auths(config.data, TOKENS)

    assert config.frame.fullmatch(new)
    assert others(config.data) == others(new)


@settings(max_examples=150, deadline=None)
@given(written())
def test_writing_twice_is_writing_once(config: Written) -> None:
    once = put_auths(config.data, TOKENS)
    assert put_auths(once, TOKENS) == once


@settings(max_examples=150, deadline=None)
@given(written())
def test_what_was_meant_is_what_every_kind_of_reader_finds(config: Written) -> None:
    new = put_auths(config.data, TOKENS)

    for form, entry in go_entries(new).items():
        if form in FORMS:
            assert entry["auth"] == AUTH
            assert not {"identitytoken", "registrytoken", "username", "password"} & set(entry)
    # Readers that know neither folding nor merging: the last "auths", its last entry.
    assert json.loads(new)["auths"][HOST]["auth"] == AUTH
    assert entries(new, [HOST]) == {HOST: WRITTEN}


@settings(max_examples=150, deadline=None)
@given(written())
def test_an_entry_is_tidy_exactly_when_a_rewrite_of_its_own_token_would_change_nothing(
    config: Written,
) -> None:
    entry = entries(config.data, [HOST])[HOST]
    if entry.auth is None:
        return
    rewritten = put_auths(config.data, {HOST: entry.auth})
    assert entry.untidy == (rewritten != config.data)


def entry_in(document: str, host: str = HOST) -> Entry:
    return entries(document.encode(), [host])[host]


@pytest.mark.parametrize(
    ("inside", "kind"),
    [
        ("{}", EntryKind.EMPTY),
        ("null", EntryKind.EMPTY),
        ('{"auth": ""}', EntryKind.EMPTY),
        ('{"auth": null}', EntryKind.EMPTY),
        ('{"email": "a@b"}', EntryKind.EMPTY),
        ('{"auth": "!!!"}', EntryKind.UNDECODABLE),
        ('{"auth": "QVdTOmE"}', EntryKind.UNDECODABLE),  # no padding: docker and podman refuse it
        ('{"auth": "QVdTOj8_Pz8="}', EntryKind.UNDECODABLE),  # the URL alphabet
        ('{"auth": "QVdT"}', EntryKind.UNDECODABLE),  # no colon
        ('{"auth": "OmFiYw=="}', EntryKind.UNDECODABLE),  # no user
        ('{"auth": "QVdTOg=="}', EntryKind.UNDECODABLE),  # no password
        (f'{{"auth": "{FOREIGN}"}}', EntryKind.OTHER_USER),
        (f'{{"auth": "{AUTH}"}}', EntryKind.TOKEN),
        (f'{{"auth": "{AUTH[:4]}\\n{AUTH[4:]}"}}', EntryKind.TOKEN),  # Go passes over line ends
        (f'{{"Auth": "{AUTH}"}}', EntryKind.TOKEN),
        (f'{{"auth": "{AUTH}", "identitytoken": "x"}}', EntryKind.IDENTITY),
        (f'{{"auth": "{AUTH}", "RegistryToken": "x"}}', EntryKind.IDENTITY),
        (f'{{"auth": "{AUTH}", "identitytoken": ""}}', EntryKind.TOKEN),
        ('{"username": "AWS", "password": "p"}', EntryKind.TOKEN),
        ('{"username": "me", "password": "p"}', EntryKind.OTHER_USER),
    ],
)
def test_an_entry_is_what_docker_makes_of_it(inside: str, kind: EntryKind) -> None:
    assert entry_in(f'{{"auths": {{"{HOST}": {inside}}}}}').kind is kind


def test_the_expiry_inside_a_password_is_read() -> None:
    password = base64.b64encode(json.dumps({"payload": "x", "expiration": 1757147299}).encode()).decode()
    auth = base64.b64encode(f"AWS:{password}".encode()).decode()
    entry = entry_in(json.dumps({"auths": {HOST: {"auth": auth}}}))
    assert entry.expires_hint == datetime.fromtimestamp(1757147299, UTC) == expiry_hint(auth)


@pytest.mark.parametrize(
    ("document", "auth", "untidy"),
    [
        (f'{{"auths": {{"{HOST}": {{"auth": "{AUTH}"}}}}}}', AUTH, False),
        (f'{{"auths": {{"https://{HOST}/v2/": {{"auth": "{AUTH}"}}}}}}', AUTH, True),
        (
            f'{{"auths": {{"https://{HOST}": {{"auth": "{OLD}"}}, "{HOST}": {{"auth": "{AUTH}"}}}}}}',
            AUTH,
            True,
        ),
        (
            f'{{"auths": {{"https://{HOST}": {{"auth": "{AUTH}"}}, "{HOST}": {{"auth": "{AUTH}"}}}}}}',
            AUTH,
            False,
        ),
        (f'{{"auths": {{"{HOST}": {{"auth": "{OLD}"}}, "{HOST}": {{"auth": "{AUTH}"}}}}}}', AUTH, True),
        (
            f'{{"auths": {{"{HOST}": {{"auth": "{OLD}"}}}}, "auths": {{"{HOST}": {{"auth": "{AUTH}"}}}}}}',
            AUTH,
            True,
        ),
        (f'{{"Auths": {{"{HOST}": {{"auth": "{AUTH}"}}}}}}', AUTH, True),
        (f'{{"auths": {{"{HOST}/team": {{"auth": "{OLD}"}}, "{HOST}": {{"auth": "{AUTH}"}}}}}}', AUTH, True),
        (
            f'{{"auths": {{"{HOST}/team": {{"auth": "{FOREIGN}"}}, "{HOST}": {{"auth": "{AUTH}"}}}}}}',
            AUTH,
            False,
        ),
        (f'{{"auths": {{"{HOST}": {{"auth": "{AUTH}", "username": "AWS"}}}}}}', AUTH, True),
        (f'{{"auths": {{"{HOST}": {{"auth": "{AUTH}", "email": "a@b"}}}}}}', AUTH, False),
    ],
)
def test_clients_find_the_bare_host_first_and_other_forms_make_it_untidy(
    document: str, auth: str, untidy: bool
) -> None:
    entry = entry_in(document)
    assert (entry.fingerprint, entry.untidy) == (fingerprint(auth), untidy)


@pytest.mark.parametrize("form", [f"{HOST}:443", f"https://{HOST}:443", HOST.upper()])
def test_forms_that_docker_does_not_find_are_no_entry_and_yet_brought_along(form: str) -> None:
    document = json.dumps({"auths": {form: {"auth": OLD}}})
    assert entry_in(document) == ABSENT
    assert json.loads(put_auths(document.encode(), TOKENS)) == {
        "auths": {form: {"auth": AUTH}, HOST: {"auth": AUTH}}
    }


def test_a_namespace_alone_is_found_by_docker_and_brought_along() -> None:
    document = json.dumps({"auths": {f"{HOST}/team": {"auth": OLD}}})
    assert entry_in(document).fingerprint == fingerprint(OLD)
    assert json.loads(put_auths(document.encode(), TOKENS)) == {
        "auths": {f"{HOST}/team": {"auth": AUTH}, HOST: {"auth": AUTH}}
    }


def test_a_namespace_of_somebody_else_is_left_alone() -> None:
    document = json.dumps({"auths": {f"{HOST}/team": {"auth": FOREIGN}}})
    assert json.loads(put_auths(document.encode(), TOKENS))["auths"][f"{HOST}/team"] == {"auth": FOREIGN}


def test_an_empty_entry_hides_the_old_form_from_docker() -> None:
    document = f'{{"auths": {{"{HOST}": {{}}, "https://{HOST}": {{"auth": "{AUTH}"}}}}}}'
    assert entry_in(document).kind is EntryKind.EMPTY


@pytest.mark.parametrize("data", [None, b"", b" ", b"{}", b"null"])
def test_a_new_file_is_laid_out_as_docker_does(data: bytes | None) -> None:
    expected = f'{{\n\t"auths": {{\n\t\t"{HOST}": {{\n\t\t\t"auth": "{AUTH}"\n\t\t}}\n\t}}\n}}'
    assert put_auths(data, TOKENS) == expected.encode()


@pytest.mark.parametrize(
    ("old", "ending"), [(b"\n", b"\n"), (b"{}\n", b"\n"), (b"{}\r\n", b"\r\n"), (b"{}", b"}")]
)
def test_the_final_newline_or_its_absence_stays(old: bytes, ending: bytes) -> None:
    assert put_auths(old, TOKENS).endswith(b"}" + ending if ending != b"}" else b"}")


def test_a_new_entry_follows_the_indentation_of_the_file() -> None:
    old = b'{\r\n  "auths": {\r\n    "ghcr.io": {}\r\n  },\r\n  "psFormat": "x"\r\n}\r\n'
    expected = (
        '{\r\n  "auths": {\r\n    "ghcr.io": {},\r\n'
        f'    "{HOST}": {{\r\n      "auth": "{AUTH}"\r\n    }}\r\n  }},\r\n  "psFormat": "x"\r\n}}\r\n'
    )
    assert put_auths(old, TOKENS) == expected.encode()


def test_a_compact_file_stays_compact() -> None:
    assert put_auths(b'{"auths":{"ghcr.io":{}}}', TOKENS) == (
        f'{{"auths":{{"ghcr.io":{{}},"{HOST}":{{"auth":"{AUTH}"}}}}}}'.encode()
    )


def test_bytes_that_are_no_utf8_and_lone_surrogates_survive() -> None:
    old = b'{"x": "\xff\xfe", "y": "\\ud800", "z": "\xc3\xa4"}'
    new = put_auths(old, TOKENS)
    assert new.startswith(old[:-1])
    assert entries(new, [HOST])[HOST].kind is EntryKind.TOKEN


def test_fields_that_clients_prefer_go_and_others_stay() -> None:
    old = (
        f'{{"auths": {{"{HOST}": {{"identitytoken": "x", "email": "a@b", "username": "AWS", "note": [1]}}}}}}'
    )
    assert json.loads(put_auths(old.encode(), TOKENS))["auths"][HOST] == {
        "email": "a@b",
        "note": [1],
        "auth": AUTH,
    }


@pytest.mark.parametrize(
    ("data", "line"),
    [
        (b"{", 1),
        (b'{"a": 1,}', 1),
        (b'{\n "a": 1 // no\n}', 2),
        (b"[]", 1),
        (b'"auths"', 1),
        (b"\xef\xbb\xbf{}", 1),
        (b"{}\x00", 1),
        (b"{}\n}", 2),
        (b'{"auths": []}', 1),
        (b'{"auths": {"a": "b"}}', 1),
        (b'{"auths": {"a": ""}}', 1),
        (b'{\n"auths": {\n"a": {"auth": 1}}}', 3),
        (b'{"auths": {"a": {"auth": 1, "auth": "x"}}}', 1),
        (b'{"auths": {"a": {"identitytoken": {}}}}', 1),
        (b'{"credHelpers": []}', 1),
        (b'{"credHelpers": {"a": 1}}', 1),
        (b'{"credsStore": 1}', 1),
        (b'{"auths": {}, "Auths": null}', 1),
        (b'{"auths": {"a": ' + b'{"x":' * 3000 + b"1" + b"}" * 2999 + b"}", 1),
    ],
)
def test_what_docker_or_podman_would_not_read_is_refused_with_its_line(data: bytes, line: int) -> None:
    with pytest.raises(JsonError) as refused:
        put_auths(data, TOKENS)
    assert refused.value.line == line
    with pytest.raises(JsonError):
        entries(data, [HOST])


def test_an_error_holds_no_piece_of_the_document() -> None:
    """Promise 6: neither in its text, nor in what hangs on it (a JSONDecodeError carries the whole document)."""
    with pytest.raises(JsonError) as refused:
        entries(b'{"auths": {"h": {"auth": "s3cret"}} oops', [HOST])
    error: BaseException | None = refused.value
    while error is not None:
        assert "s3cret" not in repr(error.args) + str(vars(error))
        error = error.__cause__ or error.__context__


@pytest.mark.parametrize("depth", [15, 30, 150, 240, 300, 450, 490, 2000])
@pytest.mark.parametrize("document", ['{"x":%s}', '{"auths":{"ghcr.io":{"x":%s}}}'])
def test_however_deep_it_is_nested_it_is_read(document: str, depth: int) -> None:
    """Promise 8: what docker and podman read (10,000 levels) keeps no registry from being served."""
    data = (document % (depth * '{"a":[' + "1" + depth * "]}")).encode()
    assert read(data, [HOST]).rest
    assert read(put_auths(data, TOKENS), [HOST]).entries[HOST] == WRITTEN


def test_an_auth_that_utf8_cannot_spell_is_read_as_undecodable() -> None:
    """Promise 8: JSON may hold half of a surrogate pair."""
    data = json.dumps({"auths": {HOST: {"auth": "\ud800"}}}).encode()
    assert entries(data, [HOST])[HOST].kind is EntryKind.UNDECODABLE


def test_deep_nesting_elsewhere_does_not_matter() -> None:
    deep = b"[" * 9000 + b"]" * 9000
    inside = b'{"x": ' * 4000 + b"{}" + b"}" * 4000
    old = b'{"deep": ' + deep + b', "auths": {"ghcr.io": ' + inside + b"}}"
    new = put_auths(old, TOKENS)
    assert deep in new
    assert inside in new
    assert entries(new, [HOST])[HOST] == WRITTEN


def test_routes_are_read_as_go_reads_them() -> None:
    document = (
        b'{"CREDSSTORE": "a", "credsStore": null, "credHelpers": {"h": "x"}, "credhelpers": {"h": "y"}}'
    )
    routes = read(document, []).routes
    assert (routes.store, routes.helpers) == ("a", {"h": "y"})


@pytest.mark.parametrize(
    ("document", "detects"),
    [
        (b"{}", True),
        (b"", True),
        (b'{"auths": {}, "credsStore": ""}', True),
        (b'{"auths": {"x": {}}}', False),
        (b'{"credHelpers": {"x": "y"}}', False),
        (b'{"credsStore": "pass"}', False),
    ],
)
def test_the_condition_for_dockers_keychain_search(document: bytes, detects: bool) -> None:
    assert read(document, []).routes.detects is detects


def test_ecr_hosts_are_named_once_in_every_form_and_from_both_places() -> None:
    document = {
        "auths": {f"https://{HOST}": {}, HOST: {}, "ghcr.io": {}, "public.ecr.aws": {}},
        "credHelpers": {OTHER: "ecr-login", "gcr.io": "gcloud"},
    }
    assert read(json.dumps(document).encode(), []).ecr_hosts == (HOST, "public.ecr.aws", OTHER)


def test_two_hosts_go_in_one_writing() -> None:
    new = put_auths(b'{"auths": {}}', {HOST: Secret(AUTH), OTHER: Secret(OLD)})
    assert json.loads(new) == {"auths": {HOST: {"auth": AUTH}, OTHER: {"auth": OLD}}}


@settings(max_examples=50, deadline=None)
@given(written())
def test_with_no_tokens_nothing_changes(config: Written) -> None:
    assert put_auths(config.data, {}) == config.data


@pytest.mark.parametrize(
    "inside", ['"auth": "\\u0061uth"', '"auth":"auth"', '"auth" : "}" ', '"auth": "\\""']
)
def test_a_value_spelt_like_its_key_or_like_a_brace_is_replaced_and_nothing_else(inside: str) -> None:
    new = put_auths(f'{{"auths": {{"{HOST}": {{{inside}}}}}, "auth": "}}"}}'.encode(), TOKENS)
    assert json.loads(new) == {"auths": {HOST: {"auth": AUTH}}, "auth": "}"}
