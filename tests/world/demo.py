"""`make demo`: the main job before your eyes, with no AWS account.

The real service runs against the fake AWS and the ECR-like registry of this folder, on loopback, with tokens that
live 20 seconds. It pulls with the docker engine if one answers, else by plain HTTP as an engine would, and says
which. Everything is kept in a temporary folder and ends with the demo.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from tests.world import homes
from tests.world.aws import FakeAws
from tests.world.registry import EcrFace

ACCOUNT = "724013829182"
HOST = f"{ACCOUNT}.dkr.ecr.us-west-2.amazonaws.com"
IMAGE = "node:18-slim"
LIFE = 20.0
"""Seconds that a token lives here, in place of twelve hours."""


class Puller(Protocol):
    """Whoever pulls: `pull` returns "" or the registry's refusal."""

    name: str
    host: str

    def pull(self) -> str: ...


class PlainHttp:
    """Reads the docker config as docker does, and asks the registry for the image's manifest."""

    name = "plain HTTP, with the credential from config.json (no docker engine answered)"
    host = HOST

    def __init__(self, config: Path, registry: str) -> None:
        self._config, self._registry = config, registry

    def pull(self) -> str:
        entry = json.loads(self._config.read_text()).get("auths", {}).get(HOST, {})
        repository, tag = IMAGE.split(":")
        headers = {"Host": HOST, "Accept": "application/vnd.docker.distribution.manifest.v2+json"}
        if "auth" in entry:
            headers["Authorization"] = f"Basic {entry['auth']}"
        asked = urllib.request.Request(f"{self._registry}/v2/{repository}/manifests/{tag}", headers=headers)
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(asked, timeout=5) as answer:
                answer.read()
        except urllib.error.HTTPError as refusal:
            with refusal:
                said = refusal.read().decode(errors="replace")
            return f"{refusal.code} {refusal.reason}: {_message(said)}"
        return ""


class Engine:
    """The docker engine. It takes a registry on 127.0.0.1 without TLS, so the image is named by that address."""

    name = "the docker engine"

    def __init__(self, config: Path, port: int) -> None:
        self.host = f"127.0.0.1:{port}"
        self._environment = {**os.environ, "DOCKER_CONFIG": str(config.parent)}

    def pull(self) -> str:
        done = subprocess.run(
            ["docker", "pull", "--quiet", f"{self.host}/{IMAGE}"],
            env=self._environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return "" if done.returncode == 0 else done.stderr.strip().splitlines()[-1]

    def forget(self) -> None:
        """Remove the image, so that the engine is left as it was."""
        subprocess.run(
            ["docker", "rmi", f"{self.host}/{IMAGE}"],
            env=self._environment,
            capture_output=True,
            timeout=60,
            check=False,
        )


def engine_answers() -> bool:
    """Return whether a docker engine on this machine answers."""
    if shutil.which("docker") is None:
        return False
    try:
        done = subprocess.run(
            ["docker", "version", "--format", "{{.Server.Version}}"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=5,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def _message(body: str) -> str:
    try:
        return str(json.loads(body)["errors"][0]["message"])
    except (ValueError, KeyError, IndexError):
        return body[:80]


class Gap(threading.Thread):
    """Reads the config without pause until an entry has gone and come back; `gap` is how long that took (s)."""

    def __init__(self, config: Path, host: str) -> None:
        super().__init__(daemon=True)
        self.gap = 0.0
        self._config, self._host = config, host

    def run(self) -> None:
        """Read until the entry is back, or for five seconds."""
        with suppress(TimeoutError):  # healed between two reads
            until(lambda: not self._there(), 5)
            self.gap = until(self._there, 5)

    def _there(self) -> bool:
        return "auth" in json.loads(self._config.read_text())["auths"].get(self._host, {})


class Show:
    """The demo, step by step."""

    def __init__(self, folder: Path, seconds: float) -> None:
        self.home = folder
        self.config = folder / ".docker/config.json"
        self.seconds = seconds
        self.refused = self.pulled = 0

    def run(self) -> int:
        with FakeAws(ttl=LIFE) as aws, EcrFace(aws) as registry:
            homes.static_keys(
                self.home, "dev", "AKIADEMODEMODEMODEMO", aws=aws, account=ACCOUNT, region="us-west-2"
            )
            puller = self._puller(registry)
            self._leave_a_dead_token(aws, puller)
            environment = aws.environment(self.home, AWS_PROFILE="dev")
            say(f"pulling with {puller.name}")
            step("1. A token that died lies in config.json, as after every twelve hours")
            self._pull(puller)
            step("2. The service starts; nothing is configured but what stands in the file")
            service = self._start(environment, puller)
            try:
                waited = until(lambda: puller.pull() == "", 20)
                say(f"the pull works {waited:.1f} s after the start")
                self._logout(puller)
                self._watch(aws, environment, puller)
            finally:
                service.terminate()
                service.wait(10)
                if isinstance(puller, Engine):
                    puller.forget()
            return self._sum_up(aws)

    def _puller(self, registry: EcrFace) -> Puller:
        if engine_answers():
            engine = Engine(self.config, registry.port)
            if "403" in (said := engine.pull()) or "no basic auth" in said or "denied" in said:
                return engine  # it reaches this loopback; an engine in a virtual machine does not
        return PlainHttp(self.config, registry.url)

    def _leave_a_dead_token(self, aws: FakeAws, puller: Puller) -> None:
        dead = aws.issue("ecr", "us-west-2", ACCOUNT, ttl=-60)["auth"]
        hosts = {key: {"auth": dead} for key in (HOST, puller.host)}
        other = {"auth": base64.b64encode(b"somebody:else").decode()}
        self.config.parent.mkdir(parents=True, exist_ok=True)
        self.config.write_text(json.dumps({"auths": {**hosts, "registry.example.com": other}}, indent="\t"))
        self.config.chmod(0o600)

    def _start(self, environment: dict[str, str], puller: Puller) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "ecr_refreshd", "run", "--log-format", "json"]
        if puller.host != HOST:
            settings = self.home / "config.toml"
            settings.write_text(f'[[registry]]\nhost = "{HOST}"\naliases = ["{puller.host}"]\n')
            settings.chmod(0o600)
            command += ["--config", str(settings)]
        log = (self.home / "service.log").open("wb")
        try:
            return subprocess.Popen(
                command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        finally:
            log.close()

    def _logout(self, puller: Puller) -> None:
        step(f"3. docker logout {puller.host}")
        reader = Gap(self.config, puller.host)
        reader.start()
        if shutil.which("docker"):
            environment = {
                "PATH": os.environ["PATH"],
                "HOME": str(self.home),
                "DOCKER_CONFIG": str(self.config.parent),
            }
            command = ["docker", "logout", puller.host]
            subprocess.run(command, env=environment, capture_output=True, timeout=20, check=False)
            say("done by the docker client")
        else:
            document = json.loads(self.config.read_text())
            del document["auths"][puller.host]
            spare = self.config.with_name("config.json123456")
            spare.write_text(json.dumps(document, indent="\t"))
            spare.rename(self.config)
            say("done as the docker client does it: a new file, renamed over the old one")
        reader.join(10)
        say(
            f"the entry was gone for {reader.gap * 1000:.0f} ms, as seen by a program that reads without pause"
        )
        self._pull(puller)

    def _watch(self, aws: FakeAws, environment: dict[str, str], puller: Puller) -> None:
        step(f"4. {self.seconds:.0f} seconds of tokens that live {LIFE:.0f} s, pulling twice a second")
        terminal = sys.stdout.isatty()
        end = time.monotonic() + self.seconds
        shown = 0.0
        while time.monotonic() < end:
            refusal = puller.pull()
            self.pulled += refusal == ""
            self.refused += refusal != ""
            if time.monotonic() - shown >= (2 if terminal else self.seconds / 2):
                shown = time.monotonic()
                self._table(aws, environment, clear=terminal)
            time.sleep(0.5)

    def _table(self, aws: FakeAws, environment: dict[str, str], *, clear: bool) -> None:
        command = [sys.executable, "-m", "ecr_refreshd", "status"]
        if clear:
            print("\033[2J\033[H", end="")
        colours = {k: os.environ[k] for k in ("TERM", "NO_COLOR", "COLUMNS") if k in os.environ}
        print(flush=True)
        subprocess.run(command, env={**environment, **colours}, timeout=20, check=False)
        calls = len(aws.calls("ecr:GetAuthorizationToken"))
        print(
            f"\n   {self.pulled} pulls, {self.refused} refused; {calls} calls of GetAuthorizationToken",
            flush=True,
        )

    def _pull(self, puller: Puller) -> None:
        refusal = puller.pull()
        say(f"$ docker pull {puller.host}/{IMAGE}")
        say(f"  refused: {refusal}" if refusal else "  pulled")

    def _sum_up(self, aws: FakeAws) -> int:
        calls = len(aws.calls("ecr:GetAuthorizationToken"))
        other = json.loads(self.config.read_text())["auths"].get("registry.example.com")
        step(
            f"{self.pulled} pulls over {self.seconds:.0f} s, {self.refused} refused; {calls} tokens "
            f"of {LIFE:.0f} s; the other registry's login is {'untouched' if other else 'GONE'}"
        )
        good = self.refused == 0 and self.pulled > 0 and calls > 1 and other is not None
        if not good:
            print((self.home / "service.log").read_text(), file=sys.stderr)
        return 0 if good else 1


def step(text: str) -> None:
    """Say what comes now."""
    print(f"\n== {text}", flush=True)


def say(text: str) -> None:
    """Say what was seen."""
    print(f"   {text}", flush=True)


def until(true: Callable[[], bool], seconds: float) -> float:
    """Wait until something holds, looking all the time; returns how long that took. TimeoutError if never."""
    start = time.monotonic()
    while time.monotonic() - start < seconds:
        if true():
            return time.monotonic() - start
        time.sleep(0.0005)
    raise TimeoutError(f"not within {seconds:.0f} s")


def main() -> int:
    """Run the demo; 0 if it showed what it should."""
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__)
    parser.add_argument("--seconds", type=float, default=26, help="how long to watch renewals go by")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ecr-refreshd-demo-") as folder:
        return Show(Path(folder), options.seconds).run()


if __name__ == "__main__":
    sys.exit(main())
