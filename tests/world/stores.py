"""Real credential stores of one's own: pass with a throw-away key, and a secret service on a private D-Bus.

Their programs are found on PATH, or under $CREDENTIAL_HELPERS: a folder that Debian packages were unpacked to,
since installing golang-docker-credential-helpers makes every docker client with an empty config use pass.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.world.desktop import Bus, until

PACKAGES = "golang-docker-credential-helpers pass gnupg gnome-keyring dbus"
PASS = ("docker-credential-pass", "pass", "gpg", "gpg-agent", "gpg-connect-agent")
SECRET_SERVICE = ("docker-credential-secretservice", "gnome-keyring-daemon", "dbus-daemon")


def missing(programs: tuple[str, ...]) -> str:
    """Return which program is not there, "" if none is missing."""
    path = _environment()["PATH"]
    absent = next((name for name in programs if shutil.which(name, path=path) is None), "")
    return f"{absent} is not there (Debian packages: {PACKAGES})" if absent else ""


def _environment() -> dict[str, str]:
    """Return PATH, and where unpacked programs find their libraries."""
    root = os.environ.get("CREDENTIAL_HELPERS", "")
    if not root:
        return {"PATH": os.environ["PATH"], "LANG": "C.UTF-8"}
    libraries = [str(folder) for folder in Path(root).glob("usr/lib/*-linux-gnu*")]
    return {
        "PATH": f"{root}/usr/bin:{root}:{os.environ['PATH']}",
        "LANG": "C.UTF-8",
        "LD_LIBRARY_PATH": ":".join(libraries),
    }


class Store:
    """A real store; a context manager. Its sockets lie in a folder of its own, with a name short enough for them.

    Attributes:
        environment: in which its program, and docker, find it.
    """

    name = ""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="store"))
        self.environment = {**_environment(), "HOME": str(self.folder)}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
        shutil.rmtree(self.folder)

    def close(self) -> None:
        """End what was started."""

    def ask(self, verb: str, text: str) -> subprocess.CompletedProcess[str]:
        """Call the store's program, as docker does."""
        return self.run(f"docker-credential-{self.name}", verb, text=text)

    def run(self, *argv: str, text: str = "") -> subprocess.CompletedProcess[str]:
        """Run a program in the store's environment."""
        return subprocess.run(
            argv, env=self.environment, input=text, capture_output=True, text=True, timeout=60, check=False
        )


class Pass(Store):
    """pass, initialised with a key of its own.

    Args:
        passphrase: of the key; then pass is locked until `unlock`.
    """

    name = "pass"

    def __init__(self, passphrase: str = "") -> None:
        super().__init__()
        self._passphrase = passphrase
        home = self.folder / "gpg"
        home.mkdir(mode=0o700)
        # Else the agent measures for seconds how much hashing this machine can bear.
        (home / "gpg-agent.conf").write_text("s2k-count 65536\n")
        self.environment["GNUPGHOME"] = str(home)

    def __enter__(self) -> Self:
        self._generate()
        self._done(self.run("pass", "init", "somebody@example.test"))
        return self

    def _generate(self) -> None:
        # On a busy machine gpg 2.2 now and then cannot read the key it has just made ("Corrupted protection").
        for last in (False, False, True):
            made = self._gpg_said(
                "--quick-generate-key", "somebody@example.test", "future-default", "default", "never"
            )
            if last or "Corrupted protection" not in made.stderr:
                self._done(made)
                return

    def lock(self) -> None:
        """Have the agent forget the passphrase, as after a restart."""
        self.close()

    def unlock(self) -> None:
        """Enter the passphrase, as a person does now and then."""
        place = self.folder / "unlock.gpg"
        place.unlink(missing_ok=True)
        self._gpg("--output", str(place), "--recipient", "somebody@example.test", "--encrypt", "/dev/null")
        self._gpg("--decrypt", str(place))

    def close(self) -> None:
        """End its agent."""
        said = self.run("gpg-connect-agent", "--no-autostart", "getinfo pid", "/bye").stdout.split()
        if said[:1] == ["D"]:
            pid = int(said[1])
            os.kill(pid, signal.SIGTERM)
            until(lambda: _has_ended(pid), "the agent is gone")

    def _gpg(self, *argv: str) -> None:
        self._done(self._gpg_said(*argv))

    def _gpg_said(self, *argv: str) -> subprocess.CompletedProcess[str]:
        quiet = ("--batch", "--quiet", "--trust-model", "always", "--pinentry-mode", "loopback")
        return self.run("gpg", *quiet, "--passphrase", self._passphrase, *argv)

    @staticmethod
    def _done(result: subprocess.CompletedProcess[str]) -> None:
        assert result.returncode == 0, result.stdout + result.stderr


class SecretService(Store):
    """GNOME's secret service on a bus of its own, unlocked, with nothing in it."""

    name = "secretservice"

    def __init__(self) -> None:
        super().__init__()
        self._bus = Bus(self.folder)
        self._daemon: subprocess.Popen[bytes] | None = None
        self.environment |= {
            "XDG_RUNTIME_DIR": str(self.folder),
            "DBUS_SESSION_BUS_ADDRESS": self._bus.address,
        }

    def __enter__(self) -> Self:
        self._bus.__enter__()
        self._start("--unlock", password=b"a password")
        return self

    def lock(self) -> None:
        """Start it anew with nobody to unlock it, as in a session without a desktop."""
        self.stop()
        self._start("--start")

    def unlock(self) -> None:
        """Start it anew, and unlock it, as a login to the desktop does."""
        self.stop()
        self._start("--unlock", password=b"a password")

    def stop(self) -> None:
        """End the daemon; the bus stays."""
        if self._daemon is not None:
            self._daemon.terminate()
            self._daemon.wait(20)
            self._daemon = None

    def close(self) -> None:
        """End the daemon and the bus."""
        self.stop()
        self._bus.__exit__(None, None, None)

    def _start(self, how: str, password: bytes = b"") -> None:
        program = shutil.which("gnome-keyring-daemon", path=self.environment["PATH"])
        assert program is not None
        self._daemon = subprocess.Popen(
            [
                program,
                how,
                "--foreground",
                "--components=secrets",
                f"--control-directory={self.folder}/control",
            ],
            env=self.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        assert self._daemon.stdin is not None
        self._daemon.stdin.write(password)
        self._daemon.stdin.close()
        until(lambda: "not found" in self.ask("get", "nobody.example").stdout, "the secret service answers")


def _has_ended(pid: int) -> bool:
    """Tell whether a process that is nobody's child has ended; whoever reaps it may take seconds to do so."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True
