"""`make demo`: the main job in six numbered steps, with no AWS account, in under a minute.

The real service runs against the fake AWS and the ECR-like registry of this folder, on loopback, with tokens
that are valid for 20 seconds in place of 12 hours. It pulls with the docker engine if one answers, else by plain
HTTP as an engine would, and says which. Nothing is cleared from the terminal: each step stays, with its mark, and
only the newest line of a longer step is redrawn. Everything is kept in a temporary folder and ends with the demo.
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
OTHER = "registry.example.com"
NEVER = float("inf")
LIFE = 20.0
"""Seconds for which a token is valid here, in place of twelve hours."""


class Puller(Protocol):
    """A client that pulls: `pull` returns "" or the registry's refusal."""

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


class Page:
    """What is printed: numbered steps, each with its mark, and one live line that a terminal redraws in place."""

    def __init__(self, steps: int) -> None:
        self._terminal = sys.stdout.isatty()
        self._colour = self._terminal and not os.environ.get("NO_COLOR")
        encoding = (sys.stdout.encoding or "").lower()
        self._marks, self.arrow = (("✓", "✗"), "→") if "utf" in encoding else (("ok", "FAILED"), "->")
        self._steps, self._step = steps, 0
        self._live = False
        self.good = True

    def step(self, title: str) -> None:
        """Begin the next step."""
        self._step += 1
        self._print(f"\n{self._styled('1', f'[{self._step}/{self._steps}] {title}')}")

    def say(self, text: str) -> None:
        """Print a line of the step."""
        self._print(f"      {text}")

    def live(self, text: str) -> None:
        """Redraw the live line; where there is no terminal it is not shown."""
        if self._terminal:
            columns = shutil.get_terminal_size().columns
            print(f"\r\033[K      {text}"[: columns + 4], end="", flush=True)
            self._live = True

    def done(self, text: str, *, good: bool = True) -> None:
        """End the step with what was seen; a step that did not show what it should fails the demo."""
        self.good = self.good and good
        mark = self._styled("32" if good else "31", self._marks[not good])
        self._print(f"  {mark}   {text}")

    def plain(self, text: str) -> None:
        """Print a line outside the steps."""
        self._print(text)

    def _print(self, text: str) -> None:
        if self._live:
            print("\r\033[K", end="")
            self._live = False
        print(text, flush=True)

    def _styled(self, style: str, text: str) -> str:
        return f"\033[{style}m{text}\033[0m" if self._colour else text


class Show:
    """The demo, step by step."""

    def __init__(self, folder: Path, seconds: float) -> None:
        self.home = folder
        self.config = folder / ".docker/config.json"
        self.seconds = seconds
        self.refused = self.pulled = 0
        self.page = Page(6)

    def run(self) -> int:
        """Show all steps; return 0 if each showed what it should."""
        with FakeAws(ttl=LIFE) as aws, EcrFace(aws) as registry:
            homes.sso_profile(self.home, "dev", ACCOUNT, region="us-west-2")
            homes.sso_login(self.home, aws)
            puller = self._puller(registry)
            self._leave_an_expired_token(aws, puller)
            environment = aws.environment(self.home)
            self.page.plain(
                f"A fake AWS and a registry that answers as ECR does, on loopback. Pulling with {puller.name}."
            )
            self._expired(puller)
            service = self._started(environment, puller)
            try:
                self._logout(puller)
                self._renewals(aws, puller)
                self._signed_out(aws, environment, puller)
                self._signed_in(aws, environment, puller)
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

    def _leave_an_expired_token(self, aws: FakeAws, puller: Puller) -> None:
        expired = aws.issue("ecr", "us-west-2", ACCOUNT, ttl=-60)["auth"]
        hosts = {key: {"auth": expired} for key in (HOST, puller.host)}
        other = {"auth": base64.b64encode(b"somebody:else").decode()}
        self.config.parent.mkdir(parents=True, exist_ok=True)
        self.config.write_text(json.dumps({"auths": {**hosts, OTHER: other}}, indent="\t"))
        self.config.chmod(0o600)

    def _expired(self, puller: Puller) -> None:
        self.page.step("An expired token in config.json, as 12 hours after every docker login")
        self.page.say(f"$ docker pull {puller.host}/{IMAGE}")
        refusal = puller.pull()
        self.page.done(f"refused, as it should be: {refusal}" if refusal else "pulled?", good=bool(refusal))

    def _started(self, environment: dict[str, str], puller: Puller) -> subprocess.Popen[bytes]:
        self.page.step("The service starts. Nothing is configured: it finds the registry and the profile")
        self.page.say("$ ecr-refreshd run")
        service = self._start(environment, puller)
        waited = self._until(lambda: puller.pull() == "", 20)
        self.page.done(f"the same pull works {waited:.1f} s later", good=waited < NEVER)
        return service

    def _start(self, environment: dict[str, str], puller: Puller) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "ecr_refreshd", "run", "--log-format", "json"]
        if puller.host != HOST:
            settings = self.home / "config.toml"
            settings.write_text(f'[[registry]]\nhost = "{HOST}"\naliases = ["{puller.host}"]\n')
            settings.chmod(0o600)
            command += ["--config", str(settings)]
        with (self.home / "service.log").open("wb") as log:
            return subprocess.Popen(
                command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    def _logout(self, puller: Puller) -> None:
        self.page.step("The entry is removed")
        reader = Gap(self.config, puller.host)
        reader.start()
        if shutil.which("docker"):
            self.page.say(f"$ docker logout {puller.host}")
            environment = {
                "PATH": os.environ["PATH"],
                "HOME": str(self.home),
                "DOCKER_CONFIG": str(self.config.parent),
            }
            command = ["docker", "logout", puller.host]
            subprocess.run(command, env=environment, capture_output=True, timeout=20, check=False)
        else:
            self.page.say("as docker logout does it: a new file, renamed over the old one")
            document = json.loads(self.config.read_text())
            del document["auths"][puller.host]
            spare = self.config.with_name("config.json123456")
            spare.write_text(json.dumps(document, indent="\t"))
            spare.rename(self.config)
        reader.join(10)
        refusal = puller.pull()
        self.page.done(
            refusal or f"restored: the entry was missing for {reader.gap * 1000:.0f} ms, and the pull works",
            good=not refusal,
        )

    def _renewals(self, aws: FakeAws, puller: Puller) -> None:
        self.page.step(f"{self.seconds:.0f} seconds of tokens valid for {LIFE:.0f} s, pulling twice a second")
        before = len(aws.calls("ecr:GetAuthorizationToken"))
        self._pull_for(self.seconds, puller)
        tokens = len(aws.calls("ecr:GetAuthorizationToken")) - before
        self.page.done(
            f"{_count(self.pulled, 'pull')} ok, {self.refused} refused, {_count(tokens, 'renewal')} meanwhile",
            good=self.refused == 0 and self.pulled > 0 and tokens > 0,
        )

    def _pull_for(self, seconds: float, puller: Puller) -> None:
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            refusal = puller.pull()
            self.pulled += refusal == ""
            self.refused += refusal != ""
            valid = self._valid_for()
            self.page.live(f"pulls: {self.pulled} ok, {self.refused} refused; token valid for {valid:.0f} s")
            time.sleep(min(0.5, left))

    def _valid_for(self) -> float:
        """Return for how many more seconds the newest token in the file is valid, as it says itself."""
        entry = json.loads(self.config.read_text()).get("auths", {}).get(HOST, {})
        with suppress(ValueError, KeyError):
            password = base64.b64decode(entry["auth"]).partition(b":")[2]
            return max(0.0, float(json.loads(base64.b64decode(password))["expiration"]) - time.time())
        return 0.0

    def _signed_out(self, aws: FakeAws, environment: dict[str, str], puller: Puller) -> None:
        self.page.step("The SSO login ends, as it does overnight")
        aws.sso_end(session="corp")
        notice: dict[str, str] = {}
        deadline = time.monotonic() + LIFE
        while not notice and time.monotonic() < deadline:
            self._pull_for(0.1, puller)
            notice = self._sign_in_notice(environment)
        refusal, valid = puller.pull(), self._valid_for()
        self.page.say(f"notice: {notice.get('title', 'none')}")
        self.page.say(f"        {self.page.arrow} {notice.get('command', '')}")
        self.page.done(
            refusal or f"pulls still work: the token in the file is valid for {valid:.0f} s more",
            good=bool(notice) and not refusal,
        )

    def _signed_in(self, aws: FakeAws, environment: dict[str, str], puller: Puller) -> None:
        self.page.step("You sign in again, in any terminal")
        self.page.say("$ aws sso login --sso-session corp")
        before = self.config.read_text()
        homes.sso_login(self.home, aws)
        fresh = self._until(lambda: self.config.read_text() != before and puller.pull() == "", 10)
        gone = self._until(lambda: not self._sign_in_notice(environment), 10)
        self.page.done(
            f"a new token is in place {fresh:.1f} s later, and the notice is gone",
            good=max(fresh, gone) < NEVER,
        )

    def _sign_in_notice(self, environment: dict[str, str]) -> dict[str, str]:
        """Return the standing notice that asks for a sign-in; empty if there is none."""
        command = [sys.executable, "-m", "ecr_refreshd", "status", "--json"]
        done = subprocess.run(command, env=environment, capture_output=True, timeout=20, check=False)
        notices: list[dict[str, str]] = json.loads(done.stdout)["notices"]
        return next((each for each in notices if each["key"].startswith("login:")), {})

    def _until(self, true: Callable[[], bool], seconds: float) -> float:
        """Wait until something holds, and return how long that took; `NEVER` if it does not come to hold."""
        start = time.monotonic()
        while time.monotonic() - start < seconds:
            if true():
                return time.monotonic() - start
            time.sleep(0.02)
        return NEVER

    def _sum_up(self, aws: FakeAws) -> int:
        other = json.loads(self.config.read_text())["auths"].get(OTHER)
        calls = len(aws.calls("ecr:GetAuthorizationToken"))
        say = self.page.plain
        say(
            f"\nWhat you saw: {_count(self.pulled, 'pull')}, {self.refused} refused; {_count(calls, 'token')}; "
            f"the login to {OTHER} {'untouched' if other else 'LOST'}."
        )
        if not (self.page.good and other and self.refused == 0):
            say("Not as it should be; the log of the service:")
            print((self.home / "service.log").read_text(), file=sys.stderr)
            return 1
        say("Next, for your own registries (in this checkout):")
        say("  pipx install .          # or: uv tool install .")
        say("  ecr-refreshd run        # keeps the ECR registries of your docker config fresh")
        say("  ecr-refreshd status     # in another terminal")
        return 0


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")


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
    parser.add_argument("--seconds", type=float, default=18, help="how long to watch renewals go by")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ecr-refreshd-demo-") as folder:
        return Show(Path(folder), options.seconds).run()


if __name__ == "__main__":
    sys.exit(main())
