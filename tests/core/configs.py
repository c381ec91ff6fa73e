"""Random docker configs, written in every way JSON allows, with a record of which bytes are ours to change."""

from __future__ import annotations

import base64
import json
import re
from dataclasses import dataclass
from random import Random
from typing import Any

from hypothesis import strategies as st

HOST = "724013829182.dkr.ecr.us-west-2.amazonaws.com"
OTHER = "111122223333.dkr.ecr.eu-west-1.amazonaws.com"
AUTH = base64.b64encode(b"AWS:new-password").decode()
OLD = base64.b64encode(b"AWS:old-password").decode()
FOREIGN = base64.b64encode(b"someone:secret").decode()

FORMS = (
    HOST,
    f"https://{HOST}",
    f"http://{HOST}",
    f"https://{HOST}/v2/",
    f"{HOST}/",
    f"{HOST}/v1/",
    f"{HOST}:443",
    f"https://{HOST}:443",
    HOST.upper(),
)
STRANGERS = ("ghcr.io", "https://index.docker.io/v1/", f"{HOST}:8443", f"x{HOST}", OTHER, "Ünïcode", "")


class Obj(list):
    """An object as a list of pairs: keys may come twice."""


@dataclass(frozen=True)
class Written:
    """A document's bytes, and a pattern that holds its bytes outside our entries in their order."""

    data: bytes
    frame: re.Pattern[bytes]


texts = st.text(st.characters(exclude_categories=("Cs",)), max_size=8)
numbers = st.sampled_from(["0", "-0", "1", "-12.50", "1e5", "9007199254740993", "1E400", "0.10", "1" * 40])
values = st.recursive(
    st.one_of(texts, st.booleans(), st.none(), numbers.map(lambda text: ("number", text))),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.lists(st.tuples(texts, inner), max_size=3).map(Obj)
    ),
    max_leaves=6,
)

auths = st.sampled_from([AUTH, OLD, FOREIGN, "", "!!!", None])
entry_fields = st.lists(
    st.one_of(
        st.tuples(st.just("auth"), auths),
        st.tuples(
            st.sampled_from(["email", "username", "password", "identitytoken", "registrytoken"]), texts
        ),
        st.tuples(st.sampled_from(["Auth", "AUTH", "IdentityToken"]), auths),
        st.tuples(st.sampled_from(["x", "note"]), values),
    ),
    max_size=4,
).map(Obj)
entries = st.one_of(entry_fields, entry_fields, st.just(Obj()), st.none())
auth_objects = st.lists(
    st.tuples(st.one_of(st.sampled_from(FORMS), st.sampled_from(STRANGERS)), entries), max_size=5
).map(Obj)
helpers = st.lists(
    st.tuples(st.sampled_from([HOST, "gcr.io"]), st.sampled_from(["ecr-login", "", None])), max_size=2
).map(Obj)
root_members = st.one_of(
    st.tuples(st.sampled_from(["auths", "auths", "auths", "Auths", "AUTHS", "auth\u017f"]), auth_objects),
    st.tuples(st.sampled_from(["credHelpers", "CredHelpers"]), helpers),
    st.tuples(st.sampled_from(["credsStore", "credsstore"]), st.sampled_from(["pass", "", None])),
    st.tuples(texts.filter(lambda name: name.lower() not in {"auths", "credhelpers", "credsstore"}), values),
)


@st.composite
def written(draw: Any) -> Written:
    """A config as anybody could have written it."""
    root = Obj(draw(st.lists(root_members, max_size=5)))
    if draw(st.booleans()) and not any(name == "auths" for name, _ in root):
        root.append(("auths", None))
    if sum(name.lower().replace("\u017f", "s") == "auths" for name, _ in root) > 1:
        root = Obj(pair for pair in root if pair != ("auths", None))
    layout = draw(st.sampled_from(["docker", "two", "crlf", "compact", "chaos"]))
    pen = _Pen(layout, Random(draw(st.integers(0, 2**32))))
    pen.value(root, 0, "root")
    pen.outside(draw(st.sampled_from(["", "\n", "\r\n", "  \n\n"])))
    return pen.finished()


class _Pen:
    """Writes JSON in a layout, and notes which pieces are outside our entries."""

    def __init__(self, layout: str, random: Random) -> None:
        self.layout, self.random = layout, random
        self.pieces: list[tuple[str, bool]] = []
        self.inside = 0

    def outside(self, text: str) -> None:
        self.pieces.append((text, self.inside == 0))

    def gap(self) -> None:
        """A place where a new member may be put in."""
        self.pieces.append(("", False))

    def finished(self) -> Written:
        data = "".join(text for text, _ in self.pieces).encode()
        pattern = b"".join(
            re.escape(text.encode()) if kept else b"(?:.*?)" for text, kept in _joined(self.pieces)
        )
        return Written(data, re.compile(pattern, re.DOTALL))

    def space(self, depth: int, *, line: bool) -> None:
        if self.layout == "chaos":
            self.outside("".join(self.random.choices(" \t\r\n", k=self.random.randrange(3))))
        elif line and self.layout != "compact":
            newline, unit = {"docker": ("\n", "\t"), "two": ("\n", "  "), "crlf": ("\r\n", "    ")}[
                self.layout
            ]
            self.outside(newline + unit * depth)

    def text(self, text: str) -> None:
        written = json.dumps(text, ensure_ascii=self.random.random() < 0.5)
        if self.random.random() < 0.1:
            written = '"' + "".join(f"\\u{ord(c):04x}" if ord(c) < 0x10000 else c for c in text) + '"'
        self.outside(written.replace("/", "\\/") if self.random.random() < 0.2 else written)

    def value(self, value: Any, depth: int, kind: str = "") -> None:
        if isinstance(value, Obj):
            self.object(value, depth, kind)
        elif isinstance(value, tuple):
            self.outside(value[1])
        elif isinstance(value, str):
            self.text(value)
        elif isinstance(value, list):
            self.outside("[")
            for index, item in enumerate(value):
                self.outside("," if index else "")
                self.space(depth + 1, line=True)
                self.value(item, depth + 1)
            self.space(depth, line=bool(value))
            self.outside("]")
        else:
            self.outside({None: "null", True: "true", False: "false"}[value])

    def object(self, value: Obj, depth: int, kind: str) -> None:
        self.outside("{")
        for index, (name, item) in enumerate(value):
            self.outside("," if index else "")
            self.space(depth + 1, line=True)
            self.text(name)
            self.space(0, line=False)
            self.outside(":" if self.layout == "compact" else ": ")
            self.space(0, line=False)
            is_auths = kind == "root" and name.lower().replace("\u017f", "s") == "auths"
            ours = (kind == "auths" and name in FORMS) or (is_auths and item is None)
            self.inside += ours
            self.value(item, depth + 1, "auths" if is_auths else "")
            self.inside -= ours
        if kind in ("auths", "root"):
            self.gap()
        self.space(depth, line=bool(value))
        self.outside("}")


def _joined(pieces: list[tuple[str, bool]]) -> list[tuple[str, bool]]:
    """Neighbours of one kind as one piece, so that the pattern has few gaps."""
    joined: list[tuple[str, bool]] = []
    for text, kept in pieces:
        if kept and not text:
            continue
        if joined and joined[-1][1] == kept:
            joined[-1] = (joined[-1][0] + text, kept)
        else:
            joined.append((text, kept))
    return joined
