"""Promise 7: a file that is no JSON is called what it is, without a word of its content."""

from __future__ import annotations

import base64

import pytest

from ecr_refreshd.core.jsontext import JsonError, scan

GOOD = '{"auths": {"ghcr.io": {"auth": "c2VjcmV0OnBhc3M="}}}'
CASES: dict[str, tuple[bytes, str]] = {
    "utf-16 of powershell": (GOOD.encode("utf-16"), "UTF-16"),
    "utf-16, the other order": (b"\xfe\xff" + GOOD.encode("utf-16-be"), "UTF-16"),
    "utf-16 without a mark": (GOOD.encode("utf-16-le"), "UTF-16"),
    "utf-16 that begins with a line end": (b"\xff\xfe" + f"\r\n{GOOD}".encode("utf-16-le"), "UTF-16"),
    "utf-32": (GOOD.encode("utf-32"), "UTF-32"),
    "utf-8 with a mark": (b"\xef\xbb\xbf" + GOOD.encode(), "byte order mark"),
    "zeros": (b"\0" * 4096, "NUL"),
    "zeros at the end": (GOOD.encode() + b"\0" * 512, "NUL"),
    "a comment first": (f"// my registries\n{GOOD}".encode(), "comments are not JSON"),
    "a comment inside": (GOOD.replace("{", '{\n  // old\n  "a": 1,\n', 1).encode(), "comments are not JSON"),
    "a comment at the end": (f"{GOOD} // that is all".encode(), "comments are not JSON"),
    "a block comment": (f"/* mine */ {GOOD}".encode(), "comments are not JSON"),
    "a comment of a shell": (f"# mine\n{GOOD}".encode(), "comments are not JSON"),
    "a script": (b"#!/bin/sh\ndocker login\n", "script"),
    "yaml": (b"auths:\n  ghcr.io:\n    auth: c2VjcmV0OnBhc3M=\n", "YAML"),
    "yaml of kubernetes": (b"---\napiVersion: v1\nkind: Secret\n", "YAML"),
    "html": (b"<!DOCTYPE html><html><body>Sign in</body></html>", "HTML"),
    "html after blanks": (b"\n\n<html>", "HTML"),
    "conflict": (b'{\n<<<<<<< HEAD\n  "a": 1\n=======\n  "a": 2\n>>>>>>> theirs\n}\n', "conflict marks"),
    "conflict with crlf": (b'{\r\n<<<<<<< HEAD\r\n  "a": 1\r\n=======\r\n>>>>>>> x\r\n}', "conflict marks"),
    "single quotes around it": (f"'{GOOD}'".encode(), "quotes of its own"),
    "json in a json text": (b'"{\\"auths\\": {}}"', "quotes of its own"),
    "base64": (base64.b64encode(GOOD.encode()), "base64"),
    "base64 of a pretty one": (base64.b64encode(b'{\n  "auths": {}\n}'), "base64"),
    "a list": (b'[{"auths": {}}]', "a list"),
    "toml": (b"[docker]\nx = 1\n", "INI or TOML"),
    "ini": (b"auth = c2VjcmV0\n", "INI or TOML"),
    "gzip": (b"\x1f\x8b\x08\x00"[:3] + b"\x01\x02", "compressed"),
    "a path": (b"/home/u/.docker/config.json\n", "a path"),
    "a path from home": (b"~/.docker/config.json", "a path"),
    "a template": (b"{{ docker_config }}", "placeholder"),
    "a variable": (b"${DOCKER_AUTH}", "placeholder"),
    "a variable inside": (b'{"auths": ${AUTHS}}', "placeholder"),
}


@pytest.mark.parametrize("case", CASES)
def test_what_a_file_is_instead_is_named(case: str) -> None:
    data, said = CASES[case]
    with pytest.raises(JsonError) as refused:
        scan(data)
    assert said in str(refused.value)
    assert "c2VjcmV0" not in str(refused.value)


@pytest.mark.parametrize(
    ("text", "said", "place"),
    [
        ('{"auths": {},}', "double quotes", (1, 14)),
        ("{'auths': {}}", "double quotes", (1, 2)),
        ('{"auths": {} "x": 1}', "comma", (1, 14)),
        ('{"a": 1} {"b": 2}', "after the end", (1, 10)),
        ('{"auths": {', "ends too early", (1, 12)),
    ],
)
def test_a_slip_in_json_keeps_its_place(text: str, said: str, place: tuple[int, int]) -> None:
    with pytest.raises(JsonError, match=said) as refused:
        scan(text.encode())
    assert (refused.value.line, refused.value.column, refused.value.is_whole) == (*place, False)


def test_what_is_true_of_the_whole_names_no_line() -> None:
    """In an editor line 1 of a UTF-16 file looks right."""
    with pytest.raises(JsonError) as refused:
        scan(GOOD.encode("utf-16"))
    assert "line 1" not in str(refused.value)


def test_marks_inside_texts_are_no_matter() -> None:
    assert scan(b'{"a": "// {{ <<<<<<< ${X} # ~/x"}').root is not None
