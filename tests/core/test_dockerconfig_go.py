"""Promise 5: Go's own JSON reader, as docker and podman use it, agrees with ours on documents and on wrecks."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecr_refreshd.core.dockerconfig import put_auths, read
from ecr_refreshd.core.jsontext import JsonError
from ecr_refreshd.core.model import EntryKind
from ecr_refreshd.core.secret import Secret
from tests.core.configs import AUTH, HOST, Written, written

Ask = Callable[[bytes], dict[str, Any]]


@pytest.fixture(scope="module")
def go(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ask]:
    compiler = shutil.which("go") or shutil.which("/usr/local/go/bin/go")
    if compiler is None:
        pytest.skip("Go's compiler, for docker's own way to read JSON")
    folder = tmp_path_factory.mktemp("go")
    program = folder / "clients"
    source = Path(__file__).with_name("clients.go")
    environment = {
        "PATH": "/usr/bin:/bin",
        "HOME": str(folder),
        "GOCACHE": str(folder / "cache"),
        "GO111MODULE": "off",
    }
    subprocess.run([compiler, "build", "-o", program, source], check=True, env=environment, timeout=100)
    with subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        stdin, stdout = child.stdin, child.stdout

        def ask(data: bytes) -> dict[str, Any]:
            stdin.write(base64.b64encode(data) + b"\n")
            stdin.flush()
            answer: dict[str, Any] = json.loads(stdout.readline())
            return answer

        yield ask
        stdin.close()


@settings(max_examples=300, deadline=None)
@given(config=written())
def test_go_reads_in_every_document_what_we_read(go: Ask, config: Written) -> None:
    theirs, ours = go(config.data), read(config.data, [HOST])
    assert theirs["Docker"]
    assert theirs["Podman"]
    assert (theirs["Store"], theirs["Helpers"] or {}) == (ours.routes.store, ours.routes.helpers)
    assert ours.routes.detects == (not theirs["Store"] and not theirs["Helpers"] and not theirs["Auths"])
    entry = theirs["Auths"].get(HOST)
    kind = ours.entries[HOST].kind
    if entry is None:
        return
    assert (kind is EntryKind.IDENTITY) == bool(entry["identitytoken"] or entry["registrytoken"])
    if entry["auth"] and kind is not EntryKind.IDENTITY:
        assert (kind is EntryKind.UNDECODABLE) == (HOST not in theirs["Users"])
        assert (kind is EntryKind.TOKEN) == (theirs["Users"].get(HOST) == "AWS")


@settings(max_examples=200, deadline=None)
@given(config=written())
def test_go_finds_our_token_and_nothing_it_would_prefer(go: Ask, config: Written) -> None:
    theirs = go(put_auths(config.data, {HOST: Secret(AUTH)}))
    assert theirs["Docker"]
    assert theirs["Podman"]
    assert theirs["Auths"][HOST] == {"auth": AUTH, "identitytoken": "", "registrytoken": ""}


wounds = st.lists(
    st.tuples(
        st.integers(0, 10**6), st.integers(0, 3), st.sampled_from(list(b'{}[],:"\\u0 \n\t\x00\x80eE.-1an'))
    ),
    min_size=1,
    max_size=3,
)


@settings(max_examples=700, deadline=None)
@given(config=written(), cuts=wounds)
def test_go_and_we_refuse_the_same_wrecks(go: Ask, config: Written, cuts: list[tuple[int, int, int]]) -> None:
    data = bytearray(config.data)
    for place, length, byte in cuts:
        at = place % (len(data) + 1)
        data[at : at + length] = bytes([byte]) if length != 3 else b""
    theirs = go(bytes(data))
    reason = ""
    try:
        read(bytes(data), [HOST])
    except JsonError as error:
        reason = error.reason
    # Two objects where one is null are read by both, and refused by us: an entry in them would not last.
    assert (theirs["Docker"] and theirs["Podman"]) == (not reason or "more than once" in reason)
