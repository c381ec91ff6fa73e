"""Docker's files as anybody could have left them: `config.json`, its elder, its helpers and its variables."""

from __future__ import annotations

import json

from tests.e2e.states import (
    ANSWERS_EMPTY,
    HOST,
    IS_BROKEN,
    KNOWS_NOTHING,
    OTHER,
    State,
    answers,
    auth,
    entry,
)

OURS = "ecr-refreshd"
TWIN = f"https://{HOST}"


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
    State("a user and no password", {"auths": {HOST: {"username": "AWS"}}}),
    State("a password and no user", {"auths": {HOST: {"password": "alone"}}}),
    State("an auth without a password", {"auths": {HOST: entry("")}}),
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
    State(
        "DOCKER_CONFIG",
        {"auths": {HOST: entry("here")}},
        {"dc/config.json": {"auths": {HOST: entry("elsewhere")}}},
        {"DOCKER_CONFIG": "{home}/dc"},
    ),
    State(
        "a helper of a namespace",
        {"auths": {HOST: entry("here")}, "credHelpers": {f"{HOST}/team": "st"}},
        helpers={"st": answers("store")},
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
