"""`explain` never disagrees with the clients: what the real ones sent in each state of the files is what it says.

Where a client itself leaves it to chance, what it sent is one of what is said to be possible.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from ecr_refreshd.cli.explain import gathered
from ecr_refreshd.core.clients.families import FAMILIES
from tests.e2e.agreeing import (
    ANSWERS_EMPTY,
    HOST,
    IS_BROKEN,
    KNOWS_NOTHING,
    OTHER,
    Client,
    DockerSocket,
    Proxy,
    State,
    answers,
    auth,
    docker_client,
    docker_programs,
    docker_py,
    entry,
    promised,
    python_with_docker_py,
    registry_client,
)
from tests.needs import need

OURS = "ecr-refreshd"
TWIN = f"https://{HOST}"
REGISTRIES = ".config/containers/registries.conf"


def variable(*hosts: str, **more: object) -> dict[str, str]:
    """DOCKER_AUTH_CONFIG with a login for each of these."""
    return {"DOCKER_AUTH_CONFIG": json.dumps({"auths": {host: entry("variable") for host in hosts}, **more})}


STATES = [
    State("no file at all"),
    State("an empty file", b""),
    State("a file that says nothing", {}),
    State("null", b"null"),
    State("a list", b"[]"),
    State("an entry", {"auths": {HOST: entry("here")}}),
    State("an entry of another user", {"auths": {HOST: entry("here", "me")}}),
    State("an entry of another registry", {"auths": {OTHER: entry("there", "me")}}),
    State("a twin", {"auths": {TWIN: entry("twin")}}),
    State("a twin with a path", {"auths": {f"{TWIN}/v1/": entry("twin")}}),
    State("a twin with a slash", {"auths": {f"{HOST}/": entry("twin")}}),
    State("an entry and a twin", {"auths": {TWIN: entry("twin"), HOST: entry("here")}}),
    State("two twins", {"auths": {TWIN: entry("one"), f"http://{HOST}": entry("two")}}),
    State("host:443", {"auths": {f"{HOST}:443": entry("port")}}),
    State("upper case", {"auths": {HOST.upper(): entry("loud")}}),
    State("a namespaced key", {"auths": {f"{HOST}/team": entry("team"), HOST: entry("here")}}),
    State("a marker", {"auths": {HOST: {}}}),
    State("a marker and a twin", {"auths": {HOST: {}, TWIN: entry("twin")}}),
    State("null for an entry", {"auths": {HOST: None, OTHER: entry("there", "me")}}),
    State("user and password", {"auths": {HOST: {"username": "AWS", "password": "plain"}}}),
    State("both forms", {"auths": {HOST: {**entry("here"), "username": "AWS", "password": "plain"}}}),
    State("an identity token", {"auths": {HOST: {"identitytoken": "id"}}}),
    State("an identity token beside auth", {"auths": {HOST: {**entry("here"), "identitytoken": "id"}}}),
    State("a registry token beside auth", {"auths": {HOST: {**entry("here"), "registrytoken": "reg"}}}),
    State("fields in other cases", {"AUTHS": {HOST: {"Auth": auth("loud")}}}),
    State("an auth that is no base64", {"auths": {HOST: {"auth": "!!!"}}}),
    State("an auth without a colon", {"auths": {HOST: {"auth": "QVdT"}}}),
    State("a password with a colon", {"auths": {HOST: entry("a:b")}}),
    State("an empty auth", {"auths": {HOST: {"auth": ""}}}),
    State("an undecodable entry of another", {"auths": {OTHER: {"auth": "!!!"}, HOST: entry("here")}}),
    State("an auth that is a number", {"auths": {HOST: {"auth": 1}}}),
    State("a number in another's entry", {"auths": {OTHER: {"auth": 1}, HOST: entry("here")}}),
    State("an entry that is a text", {"auths": {OTHER: "x", HOST: entry("here")}}),
    State("truncated", json.dumps({"auths": {HOST: entry("here")}})[:-1].encode()),
    State("a comma too many", b'{"auths":{},}'),
    State("text behind the end", json.dumps({"auths": {HOST: entry("here")}}).encode() + b"}"),
    State("a byte order mark", b"\xef\xbb\xbf" + json.dumps({"auths": {HOST: entry("here")}}).encode()),
    State(
        "two auths", f'{{"auths":{{"{HOST}":{{}}}},"auths":{{"{HOST}":{{"auth":"{auth("b")}"}}}}}}'.encode()
    ),
    State("a store that knows", {"auths": {HOST: {}}, "credsStore": "st"}, helpers={"st": answers("store")}),
    State(
        "a store that knows not, beside an entry",
        {"auths": {HOST: entry("here")}, "credsStore": "st"},
        helpers={"st": KNOWS_NOTHING},
    ),
    State(
        "a store that is broken, beside an entry",
        {"auths": {HOST: entry("here")}, "credsStore": "st"},
        helpers={"st": IS_BROKEN},
    ),
    State("a store that is missing", {"auths": {HOST: entry("here")}, "credsStore": "gone"}),
    State(
        "a store that answers with nothing",
        {"auths": {HOST: entry("here")}, "credsStore": "st"},
        helpers={"st": ANSWERS_EMPTY},
    ),
    State("a store with an identity token", {"credsStore": "st"}, helpers={"st": answers("id", "<token>")}),
    State(
        "a store beside a registry token",
        {"auths": {HOST: {"registrytoken": "reg"}}, "credsStore": "st"},
        helpers={"st": answers("store")},
    ),
    State(
        "a helper with an identity token",
        {"credHelpers": {HOST: "st"}},
        helpers={"st": answers("id", "<token>")},
    ),
    State("a helper that is broken", {"credHelpers": {HOST: "st"}}, helpers={"st": IS_BROKEN}),
    State("a store that is a number", {"auths": {HOST: entry("here")}, "credsStore": 1}),
    State(
        "our helper before a store",
        {"credsStore": "st", "credHelpers": {HOST: OURS}},
        helpers={"st": answers("store"), OURS: answers("ours")},
    ),
    State(
        "our helper beside an entry",
        {"auths": {HOST: entry("here")}, "credHelpers": {HOST: OURS}},
        helpers={OURS: answers("ours")},
    ),
    State(
        "our helper that has nothing, beside an entry",
        {"auths": {HOST: entry("here")}, "credHelpers": {HOST: OURS}},
        helpers={OURS: KNOWS_NOTHING},
    ),
    State("our helper that is missing", {"auths": {HOST: entry("here")}, "credHelpers": {HOST: OURS}}),
    State("another helper", {"credHelpers": {HOST: "ecr-login"}}, helpers={"ecr-login": answers("other")}),
    State(
        "a helper for another registry",
        {"auths": {HOST: entry("here")}, "credHelpers": {OTHER: "gone"}},
    ),
    State(
        "a helper under a twin",
        {"auths": {HOST: entry("here")}, "credHelpers": {TWIN: "st"}},
        helpers={"st": answers("store")},
    ),
    State(
        "an empty helper before a store",
        {"auths": {HOST: entry("here")}, "credsStore": "st", "credHelpers": {HOST: ""}},
        helpers={"st": answers("store")},
    ),
    State("helpers that are a list", {"auths": {HOST: entry("here")}, "credHelpers": ["x"]}),
    State("pass by itself", {}, helpers={"pass": answers("pass")}, programs=("pass",)),
    State(
        "pass without its helper",
        {},
        helpers={"secretservice": answers("ring")},
        programs=("pass",),
    ),
    State("a secret service by itself", None, helpers={"secretservice": answers("ring")}),
    State(
        "a secret service beside a marker",
        {"auths": {OTHER: {}}},
        helpers={"secretservice": answers("ring")},
    ),
    State(
        "a broken file beside a secret service",
        b"{",
        helpers={"secretservice": answers("ring")},
    ),
    State("a runtime auth.json", None, {"run/containers/auth.json": {"auths": {HOST: entry("runtime")}}}),
    State(
        "a runtime auth.json before config.json",
        {"auths": {HOST: entry("here")}},
        {"run/containers/auth.json": {"auths": {HOST: entry("runtime")}}},
    ),
    State(
        "a marker in a runtime auth.json",
        {"auths": {HOST: entry("here")}},
        {"run/containers/auth.json": {"auths": {HOST: {}}}},
    ),
    State(
        "an auth.json in the home",
        None,
        {".config/containers/auth.json": {"auths": {HOST: entry("home")}}},
    ),
    State(
        "an auth.json in XDG_CONFIG_HOME",
        None,
        {"elsewhere/containers/auth.json": {"auths": {HOST: entry("xdg")}}},
        {"XDG_CONFIG_HOME": "{home}/elsewhere"},
    ),
    State(
        "a helper in an auth.json that has nothing",
        {"auths": {HOST: entry("here")}},
        {"run/containers/auth.json": {"auths": {HOST: entry("runtime")}, "credHelpers": {HOST: "st"}}},
        helpers={"st": KNOWS_NOTHING},
    ),
    State(
        "a helper in an auth.json that is broken",
        {"auths": {HOST: entry("here")}},
        {"run/containers/auth.json": {"credHelpers": {HOST: "st"}}},
        helpers={"st": IS_BROKEN},
    ),
    State(
        "a broken auth.json",
        {"auths": {HOST: entry("here")}},
        {"run/containers/auth.json": b"{"},
    ),
    State(
        "an empty auth.json",
        {"auths": {HOST: entry("here")}},
        {"run/containers/auth.json": b""},
    ),
    State(
        "REGISTRY_AUTH_FILE",
        {"auths": {HOST: entry("here")}},
        {"named.json": {"auths": {HOST: entry("named")}}},
        {"REGISTRY_AUTH_FILE": "{home}/named.json"},
    ),
    State(
        "REGISTRY_AUTH_FILE alone",
        None,
        {"named.json": {"auths": {HOST: entry("named")}}},
        {"REGISTRY_AUTH_FILE": "{home}/named.json"},
    ),
    State(
        "REGISTRY_AUTH_FILE without the host",
        {"auths": {HOST: entry("here")}},
        {"named.json": {"auths": {OTHER: entry("there")}}},
        {"REGISTRY_AUTH_FILE": "{home}/named.json"},
    ),
    State(
        "REGISTRY_AUTH_FILE that is not there",
        {"auths": {HOST: entry("here")}},
        {},
        {"REGISTRY_AUTH_FILE": "{home}/nowhere.json"},
    ),
    State(
        "DOCKER_CONFIG",
        {"auths": {HOST: entry("here")}},
        {"dc/config.json": {"auths": {HOST: entry("elsewhere")}}},
        {"DOCKER_CONFIG": "{home}/dc"},
    ),
    State(
        "DOCKER_CONFIG without a file",
        {"auths": {HOST: entry("here")}},
        {"run/containers/auth.json": {"auths": {HOST: entry("runtime")}}},
        {"DOCKER_CONFIG": "{home}/dc"},
    ),
    State(
        "REGISTRY_AUTH_FILE that is empty",
        {"auths": {HOST: entry("here")}},
        {},
        {"REGISTRY_AUTH_FILE": ""},
    ),
    State(
        "REGISTRY_AUTH_FILE that is broken",
        {"auths": {HOST: entry("here")}},
        {"named.json": b"{"},
        {"REGISTRY_AUTH_FILE": "{home}/named.json"},
    ),
    State(
        "REGISTRY_AUTH_FILE that is a folder",
        {"auths": {HOST: entry("here")}},
        {"named/other.json": {}},
        {"REGISTRY_AUTH_FILE": "{home}/named"},
    ),
    State(
        "REGISTRY_AUTH_FILE before DOCKER_CONFIG",
        {"auths": {HOST: entry("here")}},
        {
            "named.json": {"auths": {HOST: entry("named")}},
            "dc/config.json": {"auths": {HOST: entry("elsewhere")}},
        },
        {"REGISTRY_AUTH_FILE": "{home}/named.json", "DOCKER_CONFIG": "{home}/dc"},
    ),
    State(
        "REGISTRY_AUTH_FILE with a helper that has nothing",
        {"auths": {HOST: entry("here")}},
        {"named.json": {"auths": {HOST: entry("named")}, "credHelpers": {HOST: "st"}}},
        {"REGISTRY_AUTH_FILE": "{home}/named.json"},
        helpers={"st": KNOWS_NOTHING},
    ),
    State(
        "DOCKER_CONFIG beside a runtime auth.json",
        None,
        {
            "run/containers/auth.json": {"auths": {HOST: entry("runtime")}},
            "dc/config.json": {"auths": {HOST: entry("elsewhere")}},
        },
        {"DOCKER_CONFIG": "{home}/dc"},
    ),
    State(
        "DOCKER_CONFIG without the host",
        {"auths": {HOST: entry("here")}},
        {
            ".config/containers/auth.json": {"auths": {HOST: entry("home")}},
            "dc/config.json": {"auths": {OTHER: entry("there")}},
        },
        {"DOCKER_CONFIG": "{home}/dc"},
    ),
    State(
        "a runtime folder that is not there",
        {"auths": {HOST: entry("here")}},
        {"run/containers/auth.json": {"auths": {HOST: entry("runtime")}}},
        {"XDG_RUNTIME_DIR": "{home}/gone"},
    ),
    State(
        "an auth.json in the home, XDG_CONFIG_HOME elsewhere",
        {"auths": {HOST: entry("here")}},
        {".config/containers/auth.json": {"auths": {HOST: entry("home")}}},
        {"XDG_CONFIG_HOME": "{home}/elsewhere"},
    ),
    State(
        "all places of podman",
        {"auths": {HOST: entry("here")}},
        {
            "run/containers/auth.json": {"auths": {OTHER: entry("there")}},
            ".config/containers/auth.json": {"auths": {HOST: entry("home")}},
            ".dockercfg": {HOST: entry("old")},
        },
    ),
    State(
        "a broken config.json behind an auth.json that knows",
        b"{",
        {"run/containers/auth.json": {"auths": {HOST: entry("runtime")}}},
    ),
    State(
        "a broken auth.json in the home behind a runtime one that knows not",
        {"auths": {HOST: entry("here")}},
        {
            "run/containers/auth.json": {"auths": {OTHER: entry("there")}},
            ".config/containers/auth.json": b"[]",
        },
    ),
    State(
        "a namespaced key in a runtime auth.json",
        {"auths": {HOST: entry("here")}},
        {"run/containers/auth.json": {"auths": {f"{HOST}/team": entry("team")}}},
    ),
    State(
        "a twin in a runtime auth.json",
        {"auths": {HOST: entry("here")}},
        {"run/containers/auth.json": {"auths": {f"{TWIN}/v2/": entry("twin")}}},
    ),
    State(
        "an undecodable entry in a runtime auth.json",
        {"auths": {HOST: entry("here")}},
        {"run/containers/auth.json": {"auths": {HOST: {"auth": "!!!"}}}},
    ),
    State(
        "an identity token in a runtime auth.json",
        {"auths": {HOST: entry("here")}},
        {"run/containers/auth.json": {"auths": {HOST: {"identitytoken": "id"}}}},
    ),
    State(
        "an identity token beside auth in a runtime auth.json",
        {"auths": {HOST: entry("here")}},
        {"run/containers/auth.json": {"auths": {HOST: {**entry("runtime"), "identitytoken": "id"}}}},
    ),
    State(
        "a store in a runtime auth.json",
        {"auths": {HOST: entry("here")}},
        {"run/containers/auth.json": {"credsStore": "st"}},
        helpers={"st": answers("store")},
    ),
    State(
        "a helper in a runtime auth.json that is missing",
        {"auths": {HOST: entry("here")}},
        {"run/containers/auth.json": {"credHelpers": {HOST: "gone"}}},
    ),
    State(
        "a helper in a runtime auth.json with an identity token",
        {"auths": {HOST: entry("here")}},
        {"run/containers/auth.json": {"credHelpers": {HOST: "st"}}},
        helpers={"st": answers("id", "<token>")},
    ),
    State(
        "a helper in a runtime auth.json that answers with nothing",
        {"auths": {HOST: entry("here")}},
        {"run/containers/auth.json": {"credHelpers": {HOST: "st"}}},
        helpers={"st": ANSWERS_EMPTY},
    ),
    State(
        "an empty helper in a runtime auth.json",
        {"auths": {HOST: entry("here")}},
        {"run/containers/auth.json": {"auths": {HOST: entry("runtime")}, "credHelpers": {HOST: ""}}},
    ),
    State(
        "an auth without a user in a runtime auth.json",
        {"auths": {HOST: entry("here")}},
        {"run/containers/auth.json": {"auths": {HOST: {"auth": auth("alone", "")}}}},
    ),
    State(
        "an auth without a colon in a runtime auth.json",
        {"auths": {HOST: entry("here")}},
        {"run/containers/auth.json": {"auths": {HOST: {"auth": "QVdT"}}}},
    ),
    State(
        "a null in a runtime auth.json",
        {"auths": {HOST: entry("here")}},
        {"run/containers/auth.json": b"null"},
    ),
    State(
        "a helper of a namespace",
        {"auths": {HOST: entry("here")}, "credHelpers": {f"{HOST}/team": "st"}},
        helpers={"st": answers("store")},
    ),
    State(
        "a global helper before the files",
        {"auths": {HOST: entry("here")}},
        {REGISTRIES: b'credential-helpers = ["st", "containers-auth.json"]'},
        helpers={"st": answers("store")},
    ),
    State(
        "a global helper that has nothing before the files",
        {"auths": {HOST: entry("here")}},
        {REGISTRIES: b'credential-helpers = ["st", "containers-auth.json"]'},
        helpers={"st": KNOWS_NOTHING},
    ),
    State(
        "a global helper that is broken before the files",
        {"auths": {HOST: entry("here")}},
        {REGISTRIES: b'credential-helpers = ["st", "containers-auth.json"]'},
        helpers={"st": IS_BROKEN},
    ),
    State(
        "a global helper behind the files",
        {"auths": {HOST: entry("here")}},
        {REGISTRIES: b'credential-helpers = ["containers-auth.json", "st"]'},
        helpers={"st": answers("store")},
    ),
    State(
        "a global helper behind files that are broken",
        b"{",
        {REGISTRIES: b'credential-helpers = ["containers-auth.json", "st"]'},
        helpers={"st": answers("store")},
    ),
    State(
        "a global helper that has nothing behind files that are broken",
        b"{",
        {REGISTRIES: b'credential-helpers = ["containers-auth.json", "st"]'},
        helpers={"st": KNOWS_NOTHING},
    ),
    State(
        "a global helper with an identity token",
        {"auths": {HOST: entry("here")}},
        {REGISTRIES: b'credential-helpers = ["st", "containers-auth.json"]'},
        helpers={"st": answers("id", "<token>")},
    ),
    State(
        "a global helper alone that has nothing",
        {"auths": {HOST: entry("here")}},
        {REGISTRIES: b'credential-helpers = ["st"]'},
        helpers={"st": KNOWS_NOTHING},
    ),
    State(
        "a global helper alone that is missing",
        {"auths": {HOST: entry("here")}},
        {REGISTRIES: b'credential-helpers = ["gone"]'},
    ),
    State(
        "a global helper of a drop-in",
        {"auths": {HOST: entry("here")}},
        {f"{REGISTRIES}.d/x.conf": b'credential-helpers = ["st"]'},
        helpers={"st": answers("store")},
    ),
    State(
        "a drop-in of another name",
        {"auths": {HOST: entry("here")}},
        {f"{REGISTRIES}.d/x.toml": b'credential-helpers = ["st"]'},
        helpers={"st": answers("store")},
    ),
    State(
        "drop-ins, the last of which counts",
        {"auths": {HOST: entry("here")}},
        {
            REGISTRIES: b'credential-helpers = ["containers-auth.json"]',
            f"{REGISTRIES}.d/a.conf": b'credential-helpers = ["gone"]',
            f"{REGISTRIES}.d/b.conf": b'Credential-Helpers = ["st"]',
            f"{REGISTRIES}.d/c.conf": b"unqualified-search-registries = []",
        },
        helpers={"st": answers("store")},
    ),
    State(
        "a drop-in that takes the helpers back",
        {"auths": {HOST: entry("here")}},
        {
            REGISTRIES: b'credential-helpers = ["st"]',
            f"{REGISTRIES}.d/a.conf": b"credential-helpers = []",
        },
        helpers={"st": answers("store")},
    ),
    State(
        "CONTAINERS_REGISTRIES_CONF",
        {"auths": {HOST: entry("here")}},
        {"r.conf": b'credential-helpers = ["st"]'},
        {"CONTAINERS_REGISTRIES_CONF": "{home}/r.conf"},
        helpers={"st": answers("store")},
    ),
    State(
        "CONTAINERS_REGISTRIES_CONF beside a drop-in",
        {"auths": {HOST: entry("here")}},
        {
            "r.conf": b'credential-helpers = ["gone"]',
            f"{REGISTRIES}.d/a.conf": b'credential-helpers = ["st"]',
        },
        {"CONTAINERS_REGISTRIES_CONF": "{home}/r.conf"},
        helpers={"st": answers("store")},
    ),
    State(
        "CONTAINERS_REGISTRIES_CONF that is not there",
        {"auths": {HOST: entry("here")}},
        {},
        {"CONTAINERS_REGISTRIES_CONF": "{home}/r.conf"},
    ),
    State(
        "CONTAINERS_REGISTRIES_CONF that is empty before its elder",
        {"auths": {HOST: entry("here")}},
        {"r.conf": b'credential-helpers = ["st"]'},
        {"CONTAINERS_REGISTRIES_CONF": "", "REGISTRIES_CONFIG_PATH": "{home}/r.conf"},
        helpers={"st": answers("store")},
    ),
    State(
        "a registries.conf that is broken",
        {"auths": {HOST: entry("here")}},
        {REGISTRIES: b"credential-helpers = ["},
    ),
    State(
        "a registries.conf with a text for helpers",
        {"auths": {HOST: entry("here")}},
        {REGISTRIES: b'credential-helpers = "st"'},
        helpers={"st": answers("store")},
    ),
    State(
        "a registries.conf of old",
        {"auths": {HOST: entry("here")}},
        {REGISTRIES: b'[registries.search]\nregistries = ["registry.example.com"]'},
    ),
    State("an old dockercfg", None, {".dockercfg": {HOST: entry("old")}}),
    State("an old dockercfg with a twin", None, {".dockercfg": {f"{TWIN}/v1/": entry("old")}}),
    State(
        "an old dockercfg behind a config.json",
        {"auths": {OTHER: entry("there")}},
        {".dockercfg": {HOST: entry("old")}},
    ),
    State("an old dockercfg that is broken", None, {".dockercfg": b"{"}),
    State("an old dockercfg that is empty", None, {".dockercfg": b""}),
    State("an old dockercfg of today's form", None, {".dockercfg": {"auths": {HOST: entry("old")}}}),
    State("an old dockercfg with a namespaced key", None, {".dockercfg": {f"{HOST}/team": entry("old")}}),
    State("DOCKER_AUTH_CONFIG", {"auths": {HOST: entry("here")}}, {}, variable(HOST)),
    State("DOCKER_AUTH_CONFIG for another", {"auths": {HOST: entry("here")}}, {}, variable(OTHER)),
    State(
        "DOCKER_AUTH_CONFIG with more", {"auths": {HOST: entry("here")}}, {}, variable(HOST, credsStore="x")
    ),
    State(
        "DOCKER_AUTH_CONFIG before a helper",
        {"credHelpers": {HOST: OURS}},
        {},
        variable(HOST),
        helpers={OURS: answers("ours")},
    ),
]

ALL = pytest.mark.parametrize("state", STATES, ids=lambda state: state.name)
DECIDE = {family.key: family.decide for family in FAMILIES}


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DockerSocket]:
    found = DockerSocket(tmp_path_factory.mktemp("d") / "sock")
    yield found
    found.close()


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    need(shutil.which("openssl"), "openssl")
    found = Proxy(tmp_path_factory.mktemp("proxy"))
    yield found
    found.close()


@pytest.fixture(scope="module")
def storage() -> Iterator[list[str]]:
    """Options for an image store that is nobody's. podman takes no run root of more than 50 characters."""
    need(os.geteuid() == 0, "root: without it podman wants a user namespace before it looks at any login")
    with tempfile.TemporaryDirectory() as folder:
        yield ["--root", f"{folder}/root", "--runroot", f"{folder}/run", "--storage-driver", "vfs"]


@pytest.fixture(scope="module")
def python_client() -> Iterator[Client]:
    python = python_with_docker_py()
    need(python, "docker-py")
    assert python is not None
    with docker_py(python) as client:
        yield client


def agree(family: str, client: Client, state: State, home: Path, name: str, program: str) -> None:
    """Let a client act, and compare with what is said of it."""
    environment = state.build(home)
    # The version of a client decides, so it stands on PATH.
    (home / "bin" / name).symlink_to(program)
    world = gathered(environment)
    said = [promised(outcome) for outcome in DECIDE[family](world, HOST).outcomes]
    assert client(environment) in said


@pytest.mark.parametrize("program", docker_programs())
@ALL
def test_docker_sends_what_is_said(state: State, program: str, daemon: DockerSocket, tmp_path: Path) -> None:
    need(docker_programs(), "a docker client")
    agree("docker", docker_client(program, daemon), state, tmp_path, "docker", program)


@pytest.mark.parametrize("program", docker_programs())
@pytest.mark.parametrize(
    "state", [one for one in STATES if one.helpers or "missing" in one.name], ids=lambda state: state.name
)
def test_docker_run_sends_what_is_said(
    state: State, program: str, daemon: DockerSocket, tmp_path: Path
) -> None:
    client = docker_client(program, daemon, "create", "--pull=always")
    agree("docker-run", client, state, tmp_path, "docker", program)


@ALL
def test_skopeo_sends_what_is_said(state: State, proxy: Proxy, tmp_path: Path) -> None:
    skopeo = shutil.which("skopeo")
    need(skopeo, "skopeo")
    argv = [str(skopeo), "inspect", "--tls-verify=false", f"docker://{HOST}/node:18"]
    agree("skopeo", registry_client(argv, proxy), state, tmp_path, "skopeo", str(skopeo))


@ALL
def test_podman_sends_what_is_said(state: State, proxy: Proxy, storage: list[str], tmp_path: Path) -> None:
    podman = shutil.which("podman")
    need(podman, "podman")
    elsewhere = [*storage, "--tmpdir", f"{tmp_path}/tmp", "--network-config-dir", f"{tmp_path}/cni"]
    argv = [str(podman), *elsewhere, "pull", "--tls-verify=false", f"{HOST}/node:18"]
    agree("podman", registry_client(argv, proxy), state, tmp_path, "podman", str(podman))


@ALL
def test_buildah_sends_what_is_said(state: State, proxy: Proxy, storage: list[str], tmp_path: Path) -> None:
    buildah = shutil.which("buildah")
    need(buildah, "buildah")
    argv = [str(buildah), *storage, "pull", "--tls-verify=false", f"{HOST}/node:18"]
    agree("buildah", registry_client(argv, proxy), state, tmp_path, "buildah", str(buildah))


@ALL
def test_docker_py_sends_what_is_said(state: State, python_client: Client, tmp_path: Path) -> None:
    agree("docker-py", python_client, state, tmp_path, "python3", sys.executable)


@ALL
def test_crane_sends_what_is_said(state: State, proxy: Proxy, tmp_path: Path) -> None:
    crane = shutil.which("crane")
    if crane is None:
        pytest.skip("crane is in no Debian package")
    argv = [crane, "manifest", "--insecure", f"{HOST}/node:18"]
    agree("crane", registry_client(argv, proxy), state, tmp_path, "crane", crane)


@ALL
def test_oras_sends_what_is_said(state: State, proxy: Proxy, tmp_path: Path) -> None:
    oras = shutil.which("oras")
    if oras is None:
        pytest.skip("oras is in no Debian package")
    argv = [oras, "manifest", "fetch", "--insecure", f"{HOST}/node:18"]
    agree("oras", registry_client(argv, proxy, b"basic"), state, tmp_path, "oras", oras)
