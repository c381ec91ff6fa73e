"""Has registries asked whether they take a token: the service's side of `aws.probe_child`.

Rules: tokens go by stdin, never into arguments or an environment; every question is answered, by ``unknown`` if
need be; what is asked within a moment shares a child; one child at a time, and none for longer than ten seconds.
"""

from __future__ import annotations

import json
import queue
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass

from ecr_refreshd.aws.running import python
from ecr_refreshd.core.events import Probed
from ecr_refreshd.core.secret import Secret

_GATHERS = 0.05
_SECONDS = 10.0
_MOST = 64
"""Questions for one child."""


@dataclass(frozen=True, slots=True)
class _Question:
    host: str
    fingerprint: str
    auth: Secret


class Prober:
    """`core.ports.Prober`.

    Args:
        post: is given each answer, in the prober's own thread.
        environ: the environment of the children: proxies, certificates.
    """

    def __init__(self, post: Callable[[Probed], None], environ: Mapping[str, str]) -> None:
        self._post = post
        self._environ = environ
        self._guard = threading.Lock()
        self._questions: queue.SimpleQueue[_Question | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._child: subprocess.Popen[bytes] | None = None
        self._stopping = False

    def probe(self, host: str, fingerprint: str, auth: Secret) -> None:
        """Ask; returns at once."""
        with self._guard:
            if self._thread is None and not self._stopping:
                self._thread = threading.Thread(target=self._run, name="probe", daemon=True)
                self._thread.start()
        self._questions.put(_Question(host, fingerprint, auth))

    def stop(self) -> None:
        """End what is under way; what was not asked yet is not asked."""
        with self._guard:
            self._stopping = True
            if self._child is not None:
                self._child.kill()
        self._questions.put(None)
        if self._thread is not None:
            self._thread.join(1)

    def _run(self) -> None:
        while (first := self._questions.get()) is not None:
            questions = [first]
            end = time.monotonic() + _GATHERS
            with suppress(queue.Empty):
                while len(questions) < _MOST:
                    more = self._questions.get(timeout=max(0.0, end - time.monotonic()))
                    if more is None:
                        return
                    questions.append(more)
            self._ask(questions)

    def _ask(self, questions: list[_Question]) -> None:
        said = self._heard(questions)
        for number, question in enumerate(questions):
            answer, detail = said.get(number, ("unknown", "no answer in time"))
            self._post(Probed(question.host, question.fingerprint, answer, detail))

    def _heard(self, questions: list[_Question]) -> dict[int, tuple[str, str]]:
        """Return what a child found out, by the question's number."""
        request = [
            {"number": number, "host": question.host, "auth": question.auth.reveal()}
            for number, question in enumerate(questions)
        ]
        with self._guard:
            if self._stopping:
                return {}
            try:
                self._child = subprocess.Popen(
                    python("ecr_refreshd.aws.probe_child"),
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,
                    env=dict(self._environ),
                    start_new_session=True,
                )
            except OSError:
                return {}
        child = self._child
        try:
            out, _ = child.communicate(json.dumps(request).encode(), _SECONDS)
        except subprocess.TimeoutExpired:
            child.kill()
            out, _ = child.communicate()
        with self._guard:
            self._child = None
        return _understood(out)


def _understood(out: bytes) -> dict[int, tuple[str, str]]:
    said: dict[int, tuple[str, str]] = {}
    for line in out.splitlines():
        with suppress(ValueError, KeyError, TypeError):
            row = json.loads(line)
            said[int(row["number"])] = (str(row["answer"]), str(row["detail"]))
    return said
