"""`init` finds every registry that a person's files name, and takes nothing else for one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecr_refreshd.core import hosts
from ecr_refreshd.core.imagenames import Mention, mentions

HOST = "724013829182.dkr.ecr.us-west-2.amazonaws.com"


@pytest.mark.parametrize(
    "line",
    [
        f"FROM {HOST}/node:18-slim AS build",
        f"COPY --from={HOST}/tools@sha256:0123 /bin /bin",
        f'    image: "{HOST}/app"',
        f"image: '{HOST}'",
        f"ARG BASE={HOST}/base:1",
        f"- uses: docker://{HOST}/app:1",
        f'tags = ["{HOST}/app:latest"]',
        f"docker login {HOST}, then",
        f"see {HOST}.",
        f"image: ${{REG:-{HOST}}}/x",
        f"image: ${{REG-{HOST}}}/x",
        f"image: ${{REG:={HOST}}}/x",
        f"image: ${{REG:+{HOST}}}/x",
        f"image: ${{REG:?{HOST}}}/x",
        f"image: ${{A:-${{B:-{HOST}}}}}/x",
        f"REG={HOST}",
    ],
)
def test_an_image_in_any_file(line: str) -> None:
    assert list(mentions(f"first\n{line}\n")) == [Mention(HOST, 2, HOST)]


@pytest.mark.parametrize(
    ("line", "commented"),
    [
        (f"# FROM {HOST}/x:1", True),
        (f"    # image: {HOST}/x:1", True),
        (f"  // image: {HOST}/x:1", True),
        (f"# syntax={HOST}/dockerfile:1", False),
        (f"uses: docker://{HOST}/app:1", False),
    ],
)
def test_a_comment_is_told_apart_and_a_directive_is_none(line: str, commented: bool) -> None:
    assert list(mentions(line)) == [Mention(HOST, 1, HOST, commented)]


EAST = "724013829182.dkr.ecr.eu-west-1.amazonaws.com"
DOCKERFILE = """\
ARG ACCOUNT=724013829182
ARG REGION="us-west-2"
ARG REGISTRY=${ACCOUNT}.dkr.ecr.${REGION}.amazonaws.com
FROM ${REGISTRY}/app
"""


@pytest.mark.parametrize(
    ("text", "beside", "found"),
    [
        (DOCKERFILE, {}, {HOST}),
        ("ENV A=724013829182 R=us-west-2\nFROM $A.dkr.ecr.$R.amazonaws.com/x", {}, {HOST}),
        ("ENV A 724013829182\nFROM $A.dkr.ecr.us-west-2.amazonaws.com/x", {}, {HOST}),
        ("image: ${ACCT}.dkr.ecr.us-west-2.amazonaws.com/x", {"ACCT": ("724013829182",)}, {HOST}),
        ("image: ${A}.dkr.ecr.${R:-us-west-2}.amazonaws.com/x", {"A": ("724013829182",)}, {HOST}),
        (
            "image: ${A}.dkr.ecr.${R:-eu-west-1}.amazonaws.com/x",
            {"A": ("724013829182",), "R": ("us-west-2",)},
            {HOST},
        ),
        ("A=724013829182\nX=${A}.dkr.ecr.${R:-${S:-us-west-2}}.amazonaws.com", {}, {HOST}),
        ("export A=724013829182\nB=$A\nX=${B}.dkr.ecr.us-west-2.amazonaws.com", {}, {HOST}),
        (
            "x: ${A}.dkr.ecr.${R}.amazonaws.com",
            {"A": ("724013829182",), "R": ("us-west-2", "eu-west-1")},
            {HOST, EAST},
        ),
        (DOCKERFILE, {"ACCOUNT": ("999999999999",)}, {HOST}),
        ("# A=724013829182\nFROM $A.dkr.ecr.us-west-2.amazonaws.com/x", {}, {""}),
        ("A=$B\nB=$A\nFROM $A.dkr.ecr.us-west-2.amazonaws.com/x", {}, {""}),
        ("ARG A\nFROM $A.dkr.ecr.us-west-2.amazonaws.com/x", {}, {""}),
        ("# FROM $A.dkr.ecr.us-west-2.amazonaws.com/x", {}, set()),
    ],
)
def test_variables_that_are_given_are_put_in(
    text: str, beside: dict[str, tuple[str, ...]], found: set[str]
) -> None:
    """By the file itself, else by what lies beside it; each of several values, and none from a comment."""
    assert {each.host for each in mentions(text, beside)} == found


def test_variables_that_multiply_are_bounded() -> None:
    values = {f"V{number}": tuple("12345678") for number in range(9)}
    name = "".join(f"${{V{number}}}" for number in range(9))
    grown = "A=$A$A$A$A$A$A$A$A\n" + "".join(f"N{number}=x\n" for number in range(100_000))
    assert len(list(mentions(f"{name}.dkr.ecr.us-west-2.amazonaws.com", values))) == 1
    assert len(list(mentions(f"{grown}$A.dkr.ecr.us-west-2.amazonaws.com"))) == 1


@pytest.mark.parametrize("name", [HOST.upper(), "Public.ECR.aws", f"{HOST[:20]}{HOST[20:].title()}"])
def test_a_host_has_no_case(name: str) -> None:
    assert list(mentions(f"FROM {name}/x:1")) == [Mention(name.lower(), 1, name)]


@pytest.mark.parametrize(
    "name",
    [
        "public.ecr.aws",
        "724013829182.dkr-ecr.us-west-2.on.aws",
        "724013829182.dkr.ecr-fips.us-east-1.amazonaws.com",
        "724013829182.dkr.ecr.cn-north-1.amazonaws.com.cn",
    ],
)
def test_every_form_of_a_host(name: str) -> None:
    assert [each.host for each in mentions(f"FROM {name}/x:1")] == [name]


@pytest.mark.parametrize(
    "line",
    [
        f"x{HOST}/a",
        f"x-{HOST}/a",
        f"REG:-{HOST}/a",
        f"${{A}}-{HOST}/a",
        f"1{HOST}/a",
        f"{HOST}x/a",
        "not-public.ecr.aws/x",
        "public.ecr.aws.example.com/x",
        "12345.dkr.ecr.us-west-2.amazonaws.com/x",
        "724013829182.dkr.ecr.us-west-2.example.com/x",
        "the secretary",
    ],
)
def test_what_only_looks_like_one(line: str) -> None:
    assert [each for each in mentions(line) if each.host] == []


@pytest.mark.parametrize(
    "name",
    [
        "${ACCOUNT}.dkr.ecr.us-west-2.amazonaws.com/app",
        "$ACCOUNT.dkr.ecr.$REGION.amazonaws.com/app:1",
        "{{ .Values.account }}.dkr.ecr.us-west-2.amazonaws.com/x",
        "724013829182.dkr.ecr.${AWS_REGION}.amazonaws.com/app",
    ],
)
def test_a_name_with_variables_is_named_as_such(name: str) -> None:
    (found,) = mentions(f"FROM {name}")
    assert (found.host, found.line) == ("", 1)


def test_a_login_in_front_of_a_name_is_not_repeated() -> None:
    (found,) = mentions("URL=https://AWS:hunter2@${ACCOUNT}.dkr.ecr.us-west-2.amazonaws.com/app")
    assert found.text == "${ACCOUNT}.dkr.ecr.us-west-2.amazonaws.com/app"


@pytest.mark.parametrize(
    "line",
    [
        "QUJD" * 250_000 + "ecr",
        "# ecr " + "{{a}}" * 200_000,
        "# ecr " + "{{a}}" * 200_000 + "dkr.ecr",
        "{{" * 500_000 + "dkr.ecr" + "{{" * 100_000,
        "dkr.ecr" * 150_000,
        "$dkr-ecr{{" * 100_000,
        "}} dkr.ecr {{" * 80_000,
        "000000000000.dkr.ecr" * 50_000 + ".-",
        "000000000000.dkr.ecr--" * 50_000,
        "${A:-000000000000.dkr.ecr" * 40_000,
        "${" * 300_000 + "-000000000000.dkr.ecr.-" * 20_000,
    ],
    ids=lambda line: line[:20],
)
def test_a_large_file_is_read_in_a_moment(line: str) -> None:
    """Each is a megabyte on one line; whatever grows faster than the line takes longer than a test may."""
    assert [each for each in mentions(line) if each.host] == []


@given(st.text())
def test_any_text_is_read_to_its_end(text: str) -> None:
    for each in mentions(f"{text}\nFROM {HOST}/x"):
        assert each.host == "" or hosts.parse(each.host)
