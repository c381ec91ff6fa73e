"""The files of podman, buildah and skopeo beside docker's: `auth.json` in its places, and `registries.conf`."""

from __future__ import annotations

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

TWIN = f"https://{HOST}"
REGISTRIES = ".config/containers/registries.conf"
RUNTIME = "run/containers/auth.json"
OWN = ".config/containers/auth.json"
HERE = {"auths": {HOST: entry("here")}}

STATES = [
    State("a runtime auth.json", None, {RUNTIME: {"auths": {HOST: entry("runtime")}}}),
    State("a runtime auth.json before config.json", HERE, {RUNTIME: {"auths": {HOST: entry("runtime")}}}),
    State("a marker in a runtime auth.json", HERE, {RUNTIME: {"auths": {HOST: {}}}}),
    State("an auth.json in the home", None, {OWN: {"auths": {HOST: entry("home")}}}),
    State(
        "an auth.json in XDG_CONFIG_HOME",
        None,
        {"elsewhere/containers/auth.json": {"auths": {HOST: entry("xdg")}}},
        {"XDG_CONFIG_HOME": "{home}/elsewhere"},
    ),
    State(
        "a helper in an auth.json that has nothing",
        HERE,
        {RUNTIME: {"auths": {HOST: entry("runtime")}, "credHelpers": {HOST: "st"}}},
        helpers={"st": KNOWS_NOTHING},
    ),
    State(
        "a helper in an auth.json that is broken",
        HERE,
        {RUNTIME: {"credHelpers": {HOST: "st"}}},
        helpers={"st": IS_BROKEN},
    ),
    State("a broken auth.json", HERE, {RUNTIME: b"{"}),
    State("an empty auth.json", HERE, {RUNTIME: b""}),
    State(
        "REGISTRY_AUTH_FILE",
        HERE,
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
        HERE,
        {"named.json": {"auths": {OTHER: entry("there")}}},
        {"REGISTRY_AUTH_FILE": "{home}/named.json"},
    ),
    State("REGISTRY_AUTH_FILE that is not there", HERE, {}, {"REGISTRY_AUTH_FILE": "{home}/nowhere.json"}),
    State(
        "DOCKER_CONFIG without a file",
        HERE,
        {RUNTIME: {"auths": {HOST: entry("runtime")}}},
        {"DOCKER_CONFIG": "{home}/dc"},
    ),
    State("REGISTRY_AUTH_FILE that is empty", HERE, {}, {"REGISTRY_AUTH_FILE": ""}),
    State(
        "REGISTRY_AUTH_FILE that is broken",
        HERE,
        {"named.json": b"{"},
        {"REGISTRY_AUTH_FILE": "{home}/named.json"},
    ),
    State(
        "REGISTRY_AUTH_FILE that is a folder",
        HERE,
        {"named/other.json": {}},
        {"REGISTRY_AUTH_FILE": "{home}/named"},
    ),
    State(
        "REGISTRY_AUTH_FILE before DOCKER_CONFIG",
        HERE,
        {
            "named.json": {"auths": {HOST: entry("named")}},
            "dc/config.json": {"auths": {HOST: entry("elsewhere")}},
        },
        {"REGISTRY_AUTH_FILE": "{home}/named.json", "DOCKER_CONFIG": "{home}/dc"},
    ),
    State(
        "REGISTRY_AUTH_FILE with a helper that has nothing",
        HERE,
        {"named.json": {"auths": {HOST: entry("named")}, "credHelpers": {HOST: "st"}}},
        {"REGISTRY_AUTH_FILE": "{home}/named.json"},
        helpers={"st": KNOWS_NOTHING},
    ),
    State(
        "DOCKER_CONFIG beside a runtime auth.json",
        None,
        {
            RUNTIME: {"auths": {HOST: entry("runtime")}},
            "dc/config.json": {"auths": {HOST: entry("elsewhere")}},
        },
        {"DOCKER_CONFIG": "{home}/dc"},
    ),
    State(
        "DOCKER_CONFIG without the host",
        HERE,
        {OWN: {"auths": {HOST: entry("home")}}, "dc/config.json": {"auths": {OTHER: entry("there")}}},
        {"DOCKER_CONFIG": "{home}/dc"},
    ),
    State(
        "a runtime folder that is not there",
        HERE,
        {RUNTIME: {"auths": {HOST: entry("runtime")}}},
        {"XDG_RUNTIME_DIR": "{home}/gone"},
    ),
    State(
        "an auth.json in the home, XDG_CONFIG_HOME elsewhere",
        HERE,
        {OWN: {"auths": {HOST: entry("home")}}},
        {"XDG_CONFIG_HOME": "{home}/elsewhere"},
    ),
    State(
        "all places of podman",
        HERE,
        {
            RUNTIME: {"auths": {OTHER: entry("there")}},
            OWN: {"auths": {HOST: entry("home")}},
            ".dockercfg": {HOST: entry("old")},
        },
    ),
    State(
        "a broken config.json behind an auth.json that knows",
        b"{",
        {RUNTIME: {"auths": {HOST: entry("runtime")}}},
    ),
    State(
        "a broken auth.json in the home behind a runtime one that knows not",
        HERE,
        {RUNTIME: {"auths": {OTHER: entry("there")}}, OWN: b"[]"},
    ),
    State(
        "a namespaced key in a runtime auth.json", HERE, {RUNTIME: {"auths": {f"{HOST}/team": entry("team")}}}
    ),
    State("a twin in a runtime auth.json", HERE, {RUNTIME: {"auths": {f"{TWIN}/v2/": entry("twin")}}}),
    State("an undecodable entry in a runtime auth.json", HERE, {RUNTIME: {"auths": {HOST: {"auth": "!!!"}}}}),
    State(
        "an identity token in a runtime auth.json",
        HERE,
        {RUNTIME: {"auths": {HOST: {"identitytoken": "id"}}}},
    ),
    State(
        "an identity token beside auth in a runtime auth.json",
        HERE,
        {RUNTIME: {"auths": {HOST: {**entry("runtime"), "identitytoken": "id"}}}},
    ),
    State(
        "a store in a runtime auth.json",
        HERE,
        {RUNTIME: {"credsStore": "st"}},
        helpers={"st": answers("store")},
    ),
    State(
        "a helper in a runtime auth.json that is missing", HERE, {RUNTIME: {"credHelpers": {HOST: "gone"}}}
    ),
    State(
        "a helper in a runtime auth.json with an identity token",
        HERE,
        {RUNTIME: {"credHelpers": {HOST: "st"}}},
        helpers={"st": answers("id", "<token>")},
    ),
    State(
        "a helper in a runtime auth.json that answers with nothing",
        HERE,
        {RUNTIME: {"credHelpers": {HOST: "st"}}},
        helpers={"st": ANSWERS_EMPTY},
    ),
    State(
        "an empty helper in a runtime auth.json",
        HERE,
        {RUNTIME: {"auths": {HOST: entry("runtime")}, "credHelpers": {HOST: ""}}},
    ),
    State(
        "an auth without a user in a runtime auth.json",
        HERE,
        {RUNTIME: {"auths": {HOST: {"auth": auth("alone", "")}}}},
    ),
    State(
        "an auth without a colon in a runtime auth.json", HERE, {RUNTIME: {"auths": {HOST: {"auth": "QVdT"}}}}
    ),
    State("a null in a runtime auth.json", HERE, {RUNTIME: b"null"}),
    State(
        "a global helper before the files",
        HERE,
        {REGISTRIES: b'credential-helpers = ["st", "containers-auth.json"]'},
        helpers={"st": answers("store")},
    ),
    State(
        "a global helper that has nothing before the files",
        HERE,
        {REGISTRIES: b'credential-helpers = ["st", "containers-auth.json"]'},
        helpers={"st": KNOWS_NOTHING},
    ),
    State(
        "a global helper that is broken before the files",
        HERE,
        {REGISTRIES: b'credential-helpers = ["st", "containers-auth.json"]'},
        helpers={"st": IS_BROKEN},
    ),
    State(
        "a global helper behind the files",
        HERE,
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
        HERE,
        {REGISTRIES: b'credential-helpers = ["st", "containers-auth.json"]'},
        helpers={"st": answers("id", "<token>")},
    ),
    State(
        "a global helper alone that has nothing",
        HERE,
        {REGISTRIES: b'credential-helpers = ["st"]'},
        helpers={"st": KNOWS_NOTHING},
    ),
    State("a global helper alone that is missing", HERE, {REGISTRIES: b'credential-helpers = ["gone"]'}),
    State(
        "a global helper of a drop-in",
        HERE,
        {f"{REGISTRIES}.d/x.conf": b'credential-helpers = ["st"]'},
        helpers={"st": answers("store")},
    ),
    State(
        "a drop-in of another name",
        HERE,
        {f"{REGISTRIES}.d/x.toml": b'credential-helpers = ["st"]'},
        helpers={"st": answers("store")},
    ),
    State(
        "drop-ins, the last of which counts",
        HERE,
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
        HERE,
        {REGISTRIES: b'credential-helpers = ["st"]', f"{REGISTRIES}.d/a.conf": b"credential-helpers = []"},
        helpers={"st": answers("store")},
    ),
    State(
        "CONTAINERS_REGISTRIES_CONF",
        HERE,
        {"r.conf": b'credential-helpers = ["st"]'},
        {"CONTAINERS_REGISTRIES_CONF": "{home}/r.conf"},
        helpers={"st": answers("store")},
    ),
    State(
        "CONTAINERS_REGISTRIES_CONF beside a drop-in",
        HERE,
        {
            "r.conf": b'credential-helpers = ["gone"]',
            f"{REGISTRIES}.d/a.conf": b'credential-helpers = ["st"]',
        },
        {"CONTAINERS_REGISTRIES_CONF": "{home}/r.conf"},
        helpers={"st": answers("store")},
    ),
    State(
        "CONTAINERS_REGISTRIES_CONF that is not there",
        HERE,
        {},
        {"CONTAINERS_REGISTRIES_CONF": "{home}/r.conf"},
    ),
    State(
        "CONTAINERS_REGISTRIES_CONF that is empty before its elder",
        HERE,
        {"r.conf": b'credential-helpers = ["st"]'},
        {"CONTAINERS_REGISTRIES_CONF": "", "REGISTRIES_CONFIG_PATH": "{home}/r.conf"},
        helpers={"st": answers("store")},
    ),
    State("a registries.conf that is broken", HERE, {REGISTRIES: b"credential-helpers = ["}),
    State(
        "a registries.conf with a text for helpers",
        HERE,
        {REGISTRIES: b'credential-helpers = "st"'},
        helpers={"st": answers("store")},
    ),
    State(
        "a registries.conf of old",
        HERE,
        {REGISTRIES: b'[registries.search]\nregistries = ["registry.example.com"]'},
    ),
]
