"""Speaks with a credential store through its program, docker-credential-X, as docker does.

Rules: a call is bounded in time and in what is read of it, and what hangs is killed with its children; a secret
goes by stdin only, and nothing that resembles one is ever quoted. The protocol: docker-config.md 3.
"""

from __future__ import annotations

import base64
import json
import os
import re
import selectors
import signal
import subprocess
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from ecr_refreshd.core.dockerentry import decoded
from ecr_refreshd.core.model import ABSENT, Entry, EntryKind, expiry_hint, fingerprint
from ecr_refreshd.core.secret import Secret
from ecr_refreshd.sinks.ailments import (
    OTHER_WAY,
    Ailment,
    Asked,
    Trouble,
    absent,
    changed,
    diagnosed,
    hanging,
    keyless,
)
from ecr_refreshd.sinks.gpgkeys import missing

SECONDS = 5.0
"""A store that asks nothing of anybody answers in a fraction of one."""
_MOST = 1 << 20
"""Bytes. A list of a thousand logins has a tenth of this."""
_GLANCE = 0.05
"""Seconds. How often it is asked whether a program has ended whose stdout something else holds open."""
_NOT_FOUND = "credentials not found in native keychain"
_NOTHING_TO_ERASE = re.compile(
    r"not in the password store|could not be found in the keychain|element not found"
)
_IDENTITY = "<token>"
_QUOTED = 200
_TELLING = 8
"""Characters of a secret in a row that are not quoted; a text as long as a token is never, whosever it is."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a store holds under a server, with its user."""

    username: str
    entry: Entry


@dataclass(frozen=True, slots=True)
class NotFound:
    """A store holds nothing under a server."""


class StoreProgram:
    """The program of one credential store.

    Args:
        store: its name, the X of docker-credential-X.
        environ: in which it runs, and on whose PATH it is found.
        seconds: after which a call is ended.
    """

    def __init__(self, store: str, environ: Mapping[str, str], seconds: float = SECONDS) -> None:
        self._store = store
        self._environ = environ
        self._seconds = seconds

    def get(self, server: str) -> Found | NotFound | Trouble:
        """Return what the store holds under a server."""
        asked = _asked(self._store, server)
        answer = self._call(asked, "get", server.encode())
        if isinstance(answer, Trouble):
            return answer
        said = answer.text
        if answer.code != 0:
            return NotFound() if said == _NOT_FOUND else self._trouble(asked, "get", answer)
        fields = _object(said)
        username, secret = (fields or {}).get("username", ""), (fields or {}).get("secret", "")
        if fields is None or not isinstance(username, str) or not isinstance(secret, str):
            return Trouble(
                Ailment.FAILED,
                f"{asked.program} get answered something that docker cannot read either.",
                asked.fill("Reinstall what brings {program}; until then " + OTHER_WAY + "."),
            )
        return _found(username, secret)

    def store(self, server: str, auth: Secret) -> Trouble | None:
        """Keep a token, the base64 of ``user:password``, under a server; return why that did not go well."""
        asked = _asked(self._store, server)
        username, password = decoded(auth.reveal())
        text = json.dumps({"ServerURL": server, "Username": username, "Secret": password})
        answer = self._call(asked, "store", f"{text}\n".encode())
        if isinstance(answer, Trouble):
            return answer
        return None if answer.code == 0 else self._trouble(asked, "store", answer, password)

    def erase(self, server: str) -> Trouble | None:
        """Take out what lies under a server, if anything does; return why that did not go well."""
        asked = _asked(self._store, server)
        answer = self._call(asked, "erase", server.encode())
        if isinstance(answer, Trouble):
            return answer
        gone = answer.code == 0 or answer.text == _NOT_FOUND or _NOTHING_TO_ERASE.search(answer.text.lower())
        return None if gone else self._trouble(asked, "erase", answer)

    def lossy(self, server: str, given: Secret, back: Found | NotFound) -> Trouble:
        """Return the trouble of a store that took a token without a word and gives something else back."""
        asked = _asked(self._store, server)
        if isinstance(back, NotFound):
            return changed(asked, "nothing", cut=False)
        whole, part = (decoded(each.reveal()) for each in (given, back.entry.auth or Secret("")))
        if whole[0] != back.username:
            return changed(asked, "the login of another user", cut=False)
        return changed(asked, "another token", cut=whole[1].startswith(part[1]))

    def list_(self) -> dict[str, str] | Trouble:
        """Return the servers that the store knows, each with its user."""
        asked = _asked(self._store, "")
        answer = self._call(asked, "list", b"unused")
        if isinstance(answer, Trouble):
            return answer
        if answer.code != 0:
            return self._trouble(asked, "list", answer)
        with suppress(ValueError):
            document = json.loads(answer.text)
            if isinstance(document, dict):
                return {str(server): str(user) for server, user in document.items()}
        return Trouble(
            Ailment.FAILED, f"{asked.program} list answered no list.", asked.fill("{program} list")
        )

    def concealed(self) -> Trouble | None:
        """Return the trouble of a store that knows nothing of any server just now, only that there are some.

        The secret service does not fail for want of a key: it lists items without names (tried with 0.6.4).
        """
        listed = self.list_()
        if isinstance(listed, Trouble) or "" not in listed:
            return None
        return diagnosed(_asked(self._store, ""), "get", "it lists logins without their names: it is locked")

    def _call(self, asked: Asked, verb: str, text: bytes) -> _Answer | Trouble:
        try:
            child = subprocess.Popen(
                [asked.program, verb],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=dict(self._environ),
                start_new_session=True,
                bufsize=0,
            )
        except (OSError, ValueError) as exc:
            if isinstance(exc, OSError) and not isinstance(exc, FileNotFoundError):
                return absent(asked, os.strerror(exc.errno or 0))
            # No file has a name with a NUL or half a surrogate pair in it, either.
            return absent(asked, "it is not on PATH")
        with child:
            try:
                said = _conversed(child, text, self._seconds)
                code = child.returncode
            except TimeoutError:
                return hanging(asked, verb, self._seconds)
            finally:
                _end(child)
        return _Answer(code, said.decode("utf-8", "replace").strip())

    def _trouble(self, asked: Asked, verb: str, answer: _Answer, secret: str = "") -> Trouble:
        if answer.code < 0:
            return diagnosed(asked, verb, f"it was ended by signal {-answer.code}")
        told = quotable(answer.text, secret)
        if self._store == "pass" and "no secret key" in told.lower() and (ids := missing(self._environ)):
            return keyless(ids)
        return diagnosed(asked, verb, told)


@dataclass(frozen=True, slots=True, repr=False)
class _Answer:
    """What a program said, which may be a secret, and its exit code."""

    code: int
    text: str


def quotable(text: str, secret: str = "") -> str:
    """Return a program's words as one short line, without what is or may be a secret."""
    line = " ".join(text.split())
    if any(secret[at : at + _TELLING] in line for at in range(len(secret) - _TELLING + 1)):
        return "its words repeat the token and are not shown"
    line = re.sub(r"[A-Za-z0-9+/_=-]{40,}", "***", line)
    return line if len(line) <= _QUOTED else line[: _QUOTED - 1] + "…"


def encoded(server: str) -> str:
    """Return the name of the folder in which pass keeps a server's logins."""
    return base64.urlsafe_b64encode(server.encode()).decode()


def entry_of(auth: Secret) -> Entry:
    """Return what stands in a store that keeps this token."""
    username, password = decoded(auth.reveal())
    found = _found(username, password)
    return found.entry if isinstance(found, Found) else ABSENT


def _asked(store: str, server: str) -> Asked:
    return Asked(store, server, encoded(server))


def _object(text: str) -> dict[str, Any] | None:
    """Return the first object in a text, its keys folded, as Go's decoder takes it; None if there is none."""
    try:
        document, _ = json.JSONDecoder().raw_decode(text)
    except (ValueError, RecursionError):
        return None
    return {key.lower(): value for key, value in document.items()} if isinstance(document, dict) else None


def _found(username: str, secret: str) -> Found | NotFound:
    if not username and not secret:
        return NotFound()  # docker-credential-pass 0.6 says so of whatever it does not know
    if username == _IDENTITY:
        return Found(username, Entry(EntryKind.IDENTITY))
    auth = base64.b64encode(f"{username}:{secret}".encode("utf-8", "replace")).decode()
    kind = EntryKind.OTHER_USER
    if username == "AWS":
        kind = EntryKind.TOKEN if secret else EntryKind.UNDECODABLE
    return Found(username, Entry(kind, fingerprint(auth), expiry_hint(auth), Secret(auth)))


def _conversed(child: subprocess.Popen[bytes], text: bytes, seconds: float) -> bytes:
    """Give a program its text, and return what it says until it ends.

    Raises:
        TimeoutError: it is not done in time, or says more than anybody would read.
    """
    assert child.stdin is not None  # noqa: S101 - for the type checker; both are pipes
    assert child.stdout is not None  # noqa: S101 - same
    end, rest, said = time.monotonic() + seconds, memoryview(text), bytearray()
    with selectors.DefaultSelector() as selector:
        for pipe, readiness in ((child.stdin, selectors.EVENT_WRITE), (child.stdout, selectors.EVENT_READ)):
            os.set_blocking(pipe.fileno(), False)
            selector.register(pipe, readiness)
        talking = True
        while talking:
            left = end - time.monotonic()
            if left <= 0 or len(said) > _MOST:
                raise TimeoutError
            ready = [key.fileobj for key, _ in selector.select(min(left, _GLANCE))]
            # An agent that it has started may hold its stdout open for good.
            talking = bool(ready) or child.poll() is None
            if child.stdin in ready:
                rest = _given(child.stdin.fileno(), rest)
                if not rest:
                    selector.unregister(child.stdin)
                    child.stdin.close()
            if child.stdout in ready:
                part = os.read(child.stdout.fileno(), 1 << 16)
                said += part
                talking = bool(part)
    try:
        child.wait(max(0.0, end - time.monotonic()))
    except subprocess.TimeoutExpired as exc:
        raise TimeoutError from exc
    return bytes(said)


def _given(descriptor: int, text: memoryview) -> memoryview:
    """Write what goes into a pipe, and return the rest; nothing is left for a program that reads no more."""
    try:
        return text[os.write(descriptor, text) :]
    except BrokenPipeError:
        return text[len(text) :]


def _end(child: subprocess.Popen[bytes]) -> None:
    """Kill a program that still runs, and everything that it started and left in its group."""
    if child.returncode is not None:
        return  # its number may be somebody else's by now
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()
