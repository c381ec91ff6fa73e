"""`doctor` names the true cause first where AWS files, programs or the network are odd, and how to mend it."""

from __future__ import annotations

from pathlib import Path

import pytest

from ecr_refreshd.aws import skew
from ecr_refreshd.host.clock import SystemClock
from tests.e2e.test_bad_input import GOOD, home
from tests.e2e.test_doctor import WEST, Patient, patient, token
from tests.world import homes
from tests.world.certificates import self_signed
from tests.world.loopback import Answer, Loopback
from tests.world.registry import tls_context

__all__ = ["home", "patient"]  # fixtures

BROKEN = {
    "mark": (b"\xef\xbb\xbf[default]\nregion = us-west-2\n", "begins with a byte order mark"),
    "utf-16": ("[default]\nregion = us-west-2\n".encode("utf-16"), "is saved as UTF-16"),
    "twice": (b"[default]\nregion = a\n[default]\nregion = b\n", "has the section [default] twice (line 3)"),
    "no ini": (b"region = us-west-2\n", "has no [section] before line 1"),
}


def config(patient: Patient) -> Path:
    path = patient.home.folder / ".aws/config"
    path.parent.mkdir(exist_ok=True)
    return path


@pytest.mark.parametrize(("content", "says"), BROKEN.values(), ids=BROKEN)
def test_a_broken_file_is_the_first_cause_everywhere(patient: Patient, content: bytes, says: str) -> None:
    """status, doctor and the blocked message: never "there are no profiles"."""
    config(patient).write_bytes(content)
    patient.put(auths={WEST: {"auth": token(-60)}})
    first = patient.asked()["findings"][0]
    assert first["key"] == "aws.files"
    assert says in first["what"]
    patient.home.run("run", "--once")
    told = patient.home.rows()[WEST]["last_error"]
    assert says in told["message"]
    for text in (str(told), str(patient.asked()["findings"])):
        assert "There are no AWS profiles" not in text
        assert "aws configure" not in text, "the AWS CLI cannot read such a file either"


def test_a_byte_order_mark_is_taken_away_by_fix(patient: Patient) -> None:
    config(patient).write_bytes(b"\xef\xbb\xbf[default]\r\nregion = us-west-2")
    config(patient).chmod(0o640)
    assert any("byte order mark" in text for text in patient.asked("--fix")["mended"])
    assert config(patient).read_bytes() == b"[default]\r\nregion = us-west-2"
    assert config(patient).stat().st_mode & 0o777 == 0o640
    assert sorted(each.name for each in config(patient).parent.iterdir()) == ["config"]
    patient.gone("aws.files")


def test_a_denied_candidate_is_no_error_where_another_works(patient: Patient) -> None:
    """Two permission sets in one account, the first denied by a service control policy."""
    for name in ("billing", "dev"):
        key = patient.home.profile(f"{name}-keys", GOOD)
        role = f"arn:aws:iam::{GOOD}:role/{name}"
        homes.role_chain(patient.home.folder, name, role, f"{name}-keys")
        if name == "billing":
            patient.home.aws.fault("AssumeRole", access_key=key, code="AccessDenied")
    patient.put(auths={WEST: {"auth": token(-60)}})
    assert patient.home.run("run", "--once").returncode == 0
    assert not [each for each in patient.asked()["findings"] if each["severity"] == "error"]


def test_a_sign_in_without_an_aws_cli_names_it_first(patient: Patient) -> None:
    homes.sso_profile(patient.home.folder, "dev", GOOD)
    patient.put(auths={WEST: {"auth": token(-60)}})
    without = [each for each in patient.path.split(":") if not (Path(each) / "aws").exists()]
    patient.home.environment["PATH"] = ":".join(without)
    keys = [each["key"] for each in patient.asked()["findings"]]
    assert "aws.cli" in keys
    assert patient.finding("login.missing")["how"].startswith("Install the AWS CLI version 2 first")
    program = patient.home.folder / "bin/aws"
    program.write_text("#!/bin/sh\necho aws-cli/1.22.34 Python/3.9\n")
    program.chmod(0o755)
    assert "is the AWS CLI 1.22" in patient.finding("aws.cli")["what"]
    program.write_text("#!/bin/sh\necho aws-cli/2.36.7 Python/3.12\n")
    patient.gone("aws.cli")
    assert patient.finding("login.missing")["how"] == "aws sso login --sso-session corp"


def test_an_empty_machine_is_told_what_it_lacks(patient: Patient) -> None:
    environment = patient.home.environment
    for name in [each for each in environment if each.startswith("AWS_")]:
        del environment[name]
    environment |= {"PATH": str(patient.home.folder / "bin"), "AWS_EC2_METADATA_DISABLED": "true"}
    found = patient.finding("aws.none")
    assert "no AWS CLI is on the PATH" in found["what"]
    assert "docker" in patient.finding("clients.none")["what"]


# -- whom the look at the clock trusts --------------------------------------------------------------------------


def test_the_look_at_the_clock_trusts_the_profiles_bundle(tmp_path: Path) -> None:
    certificate, key = self_signed(tmp_path, [])
    with Loopback(lambda _request: Answer(date=0), tls=tls_context(certificate, key)) as server:
        assert "is not trusted" in str(skew.ahead(server.url, [], SystemClock()))
        assert not isinstance(skew.ahead(server.url, [str(certificate)], SystemClock()), str)


def test_the_look_at_the_clock_quotes_the_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    with Loopback(lambda _request: Answer(407)) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        said = skew.ahead("https://name.invalid", [], SystemClock())
    assert said == "the proxy refuses the connection: 407 Proxy Authentication Required"
