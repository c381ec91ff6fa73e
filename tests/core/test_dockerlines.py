"""Promise 3: beside what one rewrite is to change, no byte of a docker config changes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecr_refreshd.core.dockerconfig import read
from ecr_refreshd.core.dockerlines import Edits, edited
from ecr_refreshd.core.secret import Secret
from tests.core.test_dockerconfig import AUTH, HOST, OTHER

US = "ecr-refreshd"
TOKEN = {HOST: Secret(AUTH)}


def changed(document: Any, **edits: Any) -> Any:
    data = document if isinstance(document, bytes) else json.dumps(document).encode()
    found = edited(data, Edits(**edits))
    assert found is not None
    assert edited(found, Edits(**edits)) == found, "twice is once"
    return json.loads(found)


def hosts(*names: str) -> frozenset[str]:
    return frozenset(names)


def test_a_line_comes_where_there_are_none_and_beside_others() -> None:
    assert changed({"a": 1}, helped=hosts(HOST)) == {"a": 1, "credHelpers": {HOST: US}}
    assert changed({"credHelpers": {"gcr.io": "gcloud"}}, helped=hosts(HOST)) == {
        "credHelpers": {"gcr.io": "gcloud", HOST: US}
    }
    assert changed(b"", helped=hosts(HOST)) == {"credHelpers": {HOST: US}}
    assert changed({"credHelpers": None}, helped=hosts(HOST)) == {"credHelpers": {HOST: US}}


def test_a_line_is_laid_out_as_docker_does() -> None:
    data = b'{\n\t"auths": {},\n\t"credsStore": "desktop"\n}'
    assert edited(data, Edits(helped=hosts(HOST))) == (
        b'{\n\t"auths": {},\n\t"credsStore": "desktop",\n\t"credHelpers": {\n\t\t"' + HOST.encode() + b'": "'
        b'ecr-refreshd"\n\t}\n}'
    )


def test_only_lines_of_ours_go_and_the_object_with_the_last_of_them() -> None:
    lines = {HOST: US, OTHER: "ecr-login"}
    assert changed({"credHelpers": lines}, unhelped=hosts(HOST, OTHER)) == {
        "credHelpers": {OTHER: "ecr-login"}
    }
    assert changed({"a": 1, "credHelpers": {HOST: US}}, unhelped=hosts(HOST)) == {"a": 1}
    assert edited(b'{"credHelpers": {}}', Edits(unhelped=hosts(HOST))) == b'{"credHelpers": {}}'
    assert changed({"credHelpers": {HOST: US}}, unhelped=hosts(HOST), helped=hosts(OTHER)) == {
        "credHelpers": {OTHER: US}
    }


def test_go_merges_two_objects_of_one_name_and_so_do_we() -> None:
    data = f'{{"credHelpers": {{"{HOST}": "x"}}, "CredHelpers": {{"{HOST}": "{US}"}}}}'.encode()
    found = edited(data, Edits(unhelped=hosts(HOST)))
    assert found == f'{{"credHelpers": {{"{HOST}": "x"}}}}'.encode()
    found = edited(data, Edits(helped=hosts(HOST)))
    assert read(found, [HOST]).routes.helpers == {HOST: US}


def test_everything_at_once_is_one_rewrite() -> None:
    before = {"auths": {OTHER: {"auth": AUTH}, "ghcr.io": {"auth": "eDp5"}}, "credHelpers": {OTHER: "x"}}
    after = changed(before, tokens=TOKEN, cleared=hosts(OTHER), helped=hosts(OTHER), store="pass")
    assert after == {
        "auths": {"ghcr.io": {"auth": "eDp5"}, HOST: {"auth": AUTH}},
        "credHelpers": {OTHER: US},
        "credsStore": "pass",
    }


@pytest.mark.parametrize(
    "before",
    [{}, {HOST: {}}, {HOST: {"auth": AUTH}}, {f"https://{HOST}": {"auth": AUTH}}, {HOST: {"email": "a@b"}}],
)
def test_a_marker_is_an_empty_entry_and_the_only_one(before: dict[str, Any]) -> None:
    """Docker leaves one after a login to a store, and testcontainers learns the host from it."""
    assert changed({"auths": {"ghcr.io": {}, **before}}, marked=hosts(HOST)) == {
        "auths": {"ghcr.io": {}, HOST: {}}
    }


def test_nothing_to_do_makes_no_file() -> None:
    assert edited(None, Edits()) is None
    assert edited(None, Edits(cleared=hosts(HOST), unhelped=hosts(HOST))) is None


keys = st.sampled_from([HOST, OTHER, "gcr.io", f"https://{HOST}", "x"])
helpers = st.dictionaries(keys, st.sampled_from([US, "ecr-login", ""]), max_size=4)
auths = st.dictionaries(keys, st.sampled_from([{}, {"auth": AUTH}, {"auth": "eDp5"}]), max_size=4)
documents = st.fixed_dictionaries(
    {}, optional={"auths": auths, "credHelpers": helpers, "psFormat": st.text(), "n": st.integers()}
)
some = st.frozensets(st.sampled_from([HOST, OTHER]))


@given(documents, some, some, st.sampled_from([None, 0, 2, "\t"]))
def test_lines_of_ours_are_all_that_changes(
    document: dict[str, Any], helped: frozenset[str], unhelped: frozenset[str], indent: Any
) -> None:
    data = json.dumps(document, indent=indent).encode()
    found = edited(data, Edits(helped=helped, unhelped=unhelped - helped))
    assert found is not None
    after = json.loads(found)
    lines = {**document.get("credHelpers", {})}
    wanted = {h: n for h, n in lines.items() if not (n == US and h in unhelped - helped)} | dict.fromkeys(
        helped, US
    )
    assert after.pop("credHelpers", {}) == wanted
    document.pop("credHelpers", None)
    assert after == document
    assert edited(found, Edits(helped=helped, unhelped=unhelped - helped)) == found
