"""What the service and its child say to each other arrives as it was said, or not at all."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecr_refreshd.aws import frames
from ecr_refreshd.aws.frames import (
    Ask,
    Begin,
    Broken,
    Failed,
    FrameError,
    Granted,
    Lines,
    Refused,
    Started,
    Waits,
)
from ecr_refreshd.core.model import Category, Failure, Grant, Principal, Standing

FAILURE = Failure(Category.LOGIN, "X", "what\nhappened", "do this", throttled=True)
SAID = [
    Started((1, 2)), Waits((3,), "its credential_process"), Granted(1, "QVdT", "2026-01-01T00:00:00+00:00", ""),
    Failed(2, FAILURE), Refused("ab"), Broken(FAILURE),
]  # fmt: skip
WHO = Principal("dév", "arn:aws:iam::1:role/x", "xid", "me")
ASKED = [
    Begin(95, ("a", "b")),
    Ask(
        WHO,
        Standing(login_backed=True, lane="sso:x", sso_session="x", login_command="aws sso login"),
        {
            7: Grant(WHO, "ecr", "us-west-2", fips=True),
            8: Grant(WHO, "ecr", "eu-west-1", endpoint_url="http://x"),
        },
    ),
]


@given(st.lists(st.integers(1, 200), max_size=40))
def test_frames_arrive_whole_however_the_stream_is_cut(cuts: list[int]) -> None:
    stream = b"".join(frames.line(frames.frame_of(said)) for said in SAID)
    lines, arrived = Lines(), []
    for cut in [*cuts, len(stream)]:
        piece, stream = stream[:cut], stream[cut:]
        arrived += [frames.read_said(frame) for frame in lines.feed(piece)]
    assert arrived == SAID


def test_requests_arrive_as_they_were_made() -> None:
    stream = b"".join(frames.line(each.frame()) for each in ASKED) + frames.line(frames.END)
    assert [frames.read_request(frame) for frame in Lines().feed(stream)] == [*ASKED, None]


@pytest.mark.parametrize("text", [b"x\n", b"[]\n", b"1\n", b"\n", b"\xff\n", b"x" * (frames.LONGEST + 1)])
def test_what_is_no_frame_is_refused(text: bytes) -> None:
    with pytest.raises(FrameError):
        list(Lines().feed(text))


@pytest.mark.parametrize(
    "frame",
    [
        {}, {"started": 1}, {"started": ["x"]}, {"granted": {"number": 1}}, {"failed": 1, "failure": {}},
        {"failed": 1, "failure": {"category": "?", "code": "", "message": ""}}, {"refused": 1},
    ],
)  # fmt: skip
def test_what_is_no_answer_is_refused(frame) -> None:
    with pytest.raises(FrameError):
        frames.read_said(frame)
