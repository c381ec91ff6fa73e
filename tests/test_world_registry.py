"""The registry's face is held against ECR's: each verdict with its status and words, and a real client's view."""

from __future__ import annotations

import base64
import json
import shutil
import signal
import ssl
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from tests.needs import need
from tests.world import image
from tests.world.aws import FakeAws
from tests.world.certificates import self_signed
from tests.world.contents import of_registry
from tests.world.distribution import Distribution
from tests.world.registry import EcrFace, tls_context
from tests.world.remote import Remote

REPOSITORY = Path(__file__).parent.parent
HOST = "724013829182.dkr.ecr.us-west-2.amazonaws.com"
PUBLIC = "public.ecr.aws"


@pytest.fixture
def aws():
    with FakeAws() as server:
        yield server


@pytest.fixture
def face(aws):
    with EcrFace(aws) as server:
        yield server


def get(
    face: EcrFace,
    auth: str = "",
    *,
    host: str = HOST,
    path: str = "/v2/",
    scheme: str = "Basic",
    method: str = "GET",
) -> tuple[int, dict[str, str], bytes]:
    headers = {"Host": host} | ({"Authorization": f"{scheme} {auth}"} if auth else {})
    request = urllib.request.Request(face.url + path, headers=headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, dict(answer.headers), answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, dict(error.headers), error.read()


def test_without_credentials_ecr_asks_for_basic(face) -> None:
    status, headers, _ = get(face)
    assert status == 401
    assert headers["WWW-Authenticate"] == f'Basic realm="https://{HOST}/",service="ecr.amazonaws.com"'


def test_each_token_is_judged_as_ecr_judges_it(aws, face) -> None:
    good, dead, elsewhere, public = (
        aws.issue(),
        aws.issue(ttl=-1),
        aws.issue(region="eu-west-1"),
        aws.issue("ecr-public", "us-east-1"),
    )
    assert get(face, good["auth"])[0] == 200
    status, _, body = get(face, dead["auth"])
    assert status == 403
    assert json.loads(body) == {
        "errors": [
            {
                "code": "DENIED",
                "message": "Your authorization token has expired. Reauthenticate and try again.",
            }
        ]
    }
    stranger = base64.b64encode(b"AWS:nobody knows").decode()
    for auth in (elsewhere["auth"], public["auth"], stranger, "%%%"):
        status, _, body = get(face, auth)
        assert (status, json.loads(body)["errors"][0]["code"]) == (400, "DENIED")
    assert [visit.verdict for visit in face.visits()] == [
        "valid",
        "expired",
        "elsewhere",
        "elsewhere",
        "unknown",
        "malformed",
    ]
    assert face.visits()[0].fingerprint == good["fingerprint"]
    assert face.visits()[0].user == "AWS"


def test_a_token_may_die_before_its_time(aws, face) -> None:
    token = aws.issue()
    aws.revoke(token["fingerprint"])
    assert get(face, token["auth"])[0] == 403


def test_the_region_is_the_hosts_and_a_default_where_the_host_does_not_tell(aws, face) -> None:
    west, europe = aws.issue()["auth"], aws.issue(region="eu-west-1")["auth"]
    for form in (
        "dkr.ecr.eu-west-1.amazonaws.com",
        "dkr-ecr.eu-west-1.on.aws",
        "dkr.ecr-fips.eu-west-1.amazonaws.com",
    ):
        assert get(face, europe, host=f"111111111111.{form}")[0] == 200
        assert get(face, west, host=f"111111111111.{form}")[0] == 400
    assert get(face, west, host=f"127.0.0.1:{face.port}")[0] == 200
    assert get(face, europe, host="registry.corp.example")[0] == 400


def test_the_public_registry_lets_everybody_in_except_with_a_dead_token(aws, face) -> None:
    """A stale public token breaks pulls that need none: docker sends it to the token endpoint, which refuses."""
    status, headers, _ = get(face, host=PUBLIC)
    assert status == 401
    assert headers["WWW-Authenticate"].startswith(f'Bearer realm="http://{PUBLIC}/token/"')
    _, _, body = get(face, host=PUBLIC, path="/token/")
    anonymous = json.loads(body)["token"]
    path = "/v2/docker/library/node/manifests/18-slim"
    assert get(face, anonymous, host=PUBLIC, path=path, scheme="Bearer")[0] == 200
    dead, good = aws.issue("ecr-public", "us-east-1", ttl=-1), aws.issue("ecr-public", "us-east-1")
    assert get(face, dead["auth"], host=PUBLIC, path="/token/")[0] == 403
    status, _, body = get(face, good["auth"], host=PUBLIC, path="/token/")
    assert get(face, json.loads(body)["token"], host=PUBLIC, path=path, scheme="Bearer")[0] == 200
    assert get(face, anonymous)[0] == 401


def test_the_image_is_whole_and_always_the_same(aws, face) -> None:
    auth = aws.issue()["auth"]
    status, headers, manifest = get(face, auth, path="/v2/node/manifests/18-slim")
    assert (status, headers["Content-Type"]) == (200, image.MANIFEST_TYPE)
    assert headers["Docker-Content-Digest"] == image.digest(manifest) == image.build().digest
    assert get(face, auth, path=f"/v2/node/manifests/{image.digest(manifest)}")[2] == manifest
    for part in [json.loads(manifest)["config"], *json.loads(manifest)["layers"]]:
        _, _, blob = get(face, auth, path=f"/v2/node/blobs/{part['digest']}")
        assert (image.digest(blob), len(blob)) == (part["digest"], part["size"])
    status, headers, body = get(face, auth, path="/v2/node/manifests/18-slim", method="HEAD")
    assert (status, int(headers["Content-Length"]), body) == (200, len(manifest), b"")
    assert get(face, auth, path="/v2/node/manifests/99")[0] == 404
    assert json.loads(get(face, auth, path="/v2/node/tags/list")[2])["tags"] == ["18-slim", "latest"]


def test_troubles_come_and_go(aws, face) -> None:
    auth = aws.issue()["auth"]
    face.trouble(status=503)
    assert get(face, auth)[0] == 503
    face.trouble()
    assert get(face, auth)[0] == 200
    assert [visit.verdict for visit in face.visits()] == ["trouble", "valid"]


def test_skopeo_inspects_over_tls_what_a_config_json_opens(aws, tmp_path) -> None:
    need(shutil.which("skopeo"), "skopeo is not installed")
    certificate, key = self_signed(tmp_path / "tls", [])
    (tmp_path / "tls/ca.crt").write_bytes(certificate.read_bytes())
    with EcrFace(aws, tls=tls_context(certificate, key)) as face:
        host = f"127.0.0.1:{face.port}"

        def inspect(auth: str) -> subprocess.CompletedProcess:
            config = tmp_path / "config.json"
            config.write_text(json.dumps({"auths": {host: {"auth": auth}}}))
            command = ["skopeo", "inspect", "--authfile", str(config), "--cert-dir", str(tmp_path / "tls")]
            command.append(f"docker://{host}/node:18-slim")
            return subprocess.run(command, check=False, capture_output=True, text=True, timeout=30)

        good = inspect(aws.issue()["auth"])
        assert good.returncode == 0, good.stderr
        assert json.loads(good.stdout)["Digest"] == image.build().digest
        assert "authorization token has expired" in inspect(aws.issue(ttl=-1)["auth"]).stderr
        assert {visit.verdict for visit in face.visits("/manifests/")} <= {"valid", "expired"}
        context = ssl.create_default_context(cafile=str(certificate))
        with pytest.raises(urllib.error.HTTPError) as raised:
            urllib.request.urlopen(f"{face.url}/v2/", context=context)
        raised.value.close()
        assert raised.value.code == 401


def test_a_real_registry_stands_behind_the_same_door(aws, tmp_path) -> None:
    need(shutil.which("docker-registry"), "docker-registry is not installed")
    with Distribution(tmp_path) as registry:
        built = image.build(size=1024)
        image.upload(built, registry.url, "node", "18-slim")
        with EcrFace(aws, contents=of_registry(registry.url)) as face:
            auth = aws.issue()["auth"]
            assert get(face, auth, path="/v2/node/manifests/18-slim")[2]
            status, headers, _ = get(face, auth, path=f"/v2/node/manifests/{built.digest}", method="HEAD")
            assert (status, headers["Docker-Content-Digest"]) == (200, built.digest)
            assert get(face, aws.issue(ttl=-1)["auth"], path="/v2/node/manifests/18-slim")[0] == 403


def test_the_door_works_as_a_program_and_asks_the_fake_aws_in_another_process(aws) -> None:
    command = [sys.executable, "-m", "tests.world.registry", "--aws", aws.url, "--region", "eu-west-1"]
    with subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True) as program:
        try:
            face = Remote(program.stdout.readline().strip())
            local = "127.0.0.1"
            assert get(face, aws.issue(region="eu-west-1")["auth"], host=local)[0] == 200
            assert get(face, aws.issue(region="eu-west-1", ttl=-1)["auth"], host=local)[0] == 403
            assert [visit["verdict"] for visit in face.log()] == ["valid", "expired"]
        finally:
            program.send_signal(signal.SIGTERM)
            assert program.wait(10) == 0


def test_a_hanging_registry_ends_with_its_trouble(aws) -> None:
    with EcrFace(aws) as face:
        face.trouble(hang=True)
        request = urllib.request.Request(f"{face.url}/v2/")
        with pytest.raises(OSError, match="timed out"):
            urllib.request.urlopen(request, timeout=0.3)
