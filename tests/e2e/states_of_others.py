"""What only some clients look at: nerdctl's spellings of a host, helm's own file, docker's variable."""

from __future__ import annotations

import json

from tests.e2e.states import ANSWERS_EMPTY, HOST, IS_BROKEN, KNOWS_NOTHING, OTHER, State, answers, auth, entry
from tests.e2e.states_of_docker import TWIN, variable

HERE = {"auths": {HOST: entry("here")}}
PORT = f"{HOST}:443"
BUILDX = f".docker/buildx/config/{HOST}/config.json"
KUBELET = "var/lib/kubelet/config.json"
HELM = ".config/helm/registry/config.json"


def said(text: str) -> dict[str, str]:
    """DOCKER_AUTH_CONFIG as it stands here."""
    return {"DOCKER_AUTH_CONFIG": text}


VARIABLE = [
    State("DOCKER_AUTH_CONFIG that is no JSON", HERE, {}, said("{")),
    State("DOCKER_AUTH_CONFIG that is empty", HERE, {}, said("")),
    State("DOCKER_AUTH_CONFIG that is a list", HERE, {}, said("[]")),
    State("DOCKER_AUTH_CONFIG that is null", HERE, {}, said("null")),
    State("DOCKER_AUTH_CONFIG without auths", HERE, {}, said("{}")),
    State("DOCKER_AUTH_CONFIG with text behind", HERE, {}, said(variable(HOST)["DOCKER_AUTH_CONFIG"] + " x")),
    State(
        "DOCKER_AUTH_CONFIG with a brace behind", HERE, {}, said(variable(HOST)["DOCKER_AUTH_CONFIG"] + "}")
    ),
    State(
        "DOCKER_AUTH_CONFIG with a space behind", HERE, {}, said(variable(HOST)["DOCKER_AUTH_CONFIG"] + " \n")
    ),
    State(
        "DOCKER_AUTH_CONFIG twice",
        HERE,
        {},
        said(variable(HOST)["DOCKER_AUTH_CONFIG"] + variable(OTHER)["DOCKER_AUTH_CONFIG"]),
    ),
    State("DOCKER_AUTH_CONFIG with a marker", HERE, {}, said(json.dumps({"auths": {HOST: {}}}))),
    State("DOCKER_AUTH_CONFIG with null for an entry", HERE, {}, said(json.dumps({"auths": {HOST: None}}))),
    State("DOCKER_AUTH_CONFIG with null for auths", HERE, {}, said(json.dumps({"auths": None}))),
    State(
        "DOCKER_AUTH_CONFIG in other cases",
        HERE,
        {},
        said(json.dumps({"AUTHS": {HOST: {"Auth": auth("loud")}}})),
    ),
    State(
        "DOCKER_AUTH_CONFIG with an email",
        HERE,
        {},
        said(json.dumps({"auths": {HOST: {**entry("variable"), "email": ""}}})),
    ),
    State(
        "DOCKER_AUTH_CONFIG with an auth that is no base64",
        HERE,
        {},
        said(json.dumps({"auths": {HOST: {"auth": "!!!"}}})),
    ),
    State(
        "DOCKER_AUTH_CONFIG with another's auth that is no base64",
        HERE,
        {},
        said(json.dumps({"auths": {HOST: entry("variable"), OTHER: {"auth": "!!!"}}})),
    ),
    State(
        "DOCKER_AUTH_CONFIG without a user",
        HERE,
        {},
        said(json.dumps({"auths": {HOST: {"auth": auth("alone", "")}}})),
    ),
    State("DOCKER_AUTH_CONFIG with a twin", HERE, {}, variable(TWIN)),
    State(
        "DOCKER_AUTH_CONFIG before a helper that is broken",
        {"credHelpers": {HOST: "st"}},
        {},
        variable(HOST),
        helpers={"st": IS_BROKEN},
    ),
    State(
        "DOCKER_AUTH_CONFIG for another before a helper that is broken",
        {"credHelpers": {HOST: "st"}},
        {},
        variable(OTHER),
        helpers={"st": IS_BROKEN},
    ),
    State("DOCKER_AUTH_CONFIG beside a broken file", b"{", {}, variable(HOST)),
    State("DOCKER_AUTH_CONFIG without any file", None, {}, variable(HOST)),
]
"""Of clients built on docker's code of 28.3 or later."""

SPELLINGS = [
    State("host:443 before the host", {"auths": {PORT: entry("port"), HOST: entry("here")}}),
    State("a twin with a port", {"auths": {f"https://{PORT}": entry("port"), HOST: entry("here")}}),
    State("a twin with a port and a path", {"auths": {f"https://{PORT}/v2/": entry("port")}}),
    State("host:443 that is empty", {"auths": {PORT: {}, HOST: entry("here")}}),
    State("host:443 with an identity token", {"auths": {PORT: {"identitytoken": "id"}, HOST: entry("here")}}),
    State("host:443 with a registry token", {"auths": {PORT: {"registrytoken": "reg"}, HOST: entry("here")}}),
    State("host:443 of another user", {"auths": {PORT: entry("port", "me"), HOST: entry("here")}}),
    State("a password and no user, before a twin", {"auths": {PORT: {"password": "p"}, HOST: entry("here")}}),
    State(
        "a helper for host:443",
        {"auths": {HOST: entry("here")}, "credHelpers": {PORT: "st"}},
        helpers={"st": answers("helper")},
    ),
    State(
        "a helper for host:443 that is broken",
        {"auths": {HOST: entry("here")}, "credHelpers": {PORT: "st"}},
        helpers={"st": IS_BROKEN},
    ),
    State(
        "a helper for host:443 that has nothing",
        {"auths": {HOST: entry("here")}, "credHelpers": {PORT: "st"}},
        helpers={"st": KNOWS_NOTHING},
    ),
    State(
        "a helper for a twin that is broken",
        {"auths": {OTHER: entry("here")}, "credHelpers": {f"http://{HOST}": "st"}},
        helpers={"st": IS_BROKEN},
    ),
    State("DOCKER_AUTH_CONFIG with host:443", HERE, {}, variable(PORT)),
]
"""Of nerdctl, which asks for six of them."""

CHARTS = [
    State("a login of helm", None, {HELM: {"auths": {HOST: entry("helm")}}}),
    State("a login of helm before docker's", HERE, {HELM: {"auths": {HOST: entry("helm")}}}),
    State("a marker of helm", HERE, {HELM: {"auths": {HOST: {}}}}),
    State("another's login of helm", HERE, {HELM: {"auths": {OTHER: entry("there")}}}),
    State("an identity token of helm", HERE, {HELM: {"auths": {HOST: {"identitytoken": "id"}}}}),
    State("a registry token of helm", HERE, {HELM: {"auths": {HOST: {"registrytoken": "reg"}}}}),
    State("a twin of helm", HERE, {HELM: {"auths": {TWIN: entry("twin")}}}),
    State("a file of helm that is broken", HERE, {HELM: b"{"}),
    State("a file of helm that is empty", HERE, {HELM: b""}),
    State("an entry of helm that cannot be decoded", HERE, {HELM: {"auths": {HOST: {"auth": "!!!"}}}}),
    State("a login of helm beside a broken config.json", b"{", {HELM: {"auths": {HOST: entry("helm")}}}),
    State("a store of helm", HERE, {HELM: {"credsStore": "st"}}, helpers={"st": answers("store")}),
    State(
        "a store of helm that knows not", HERE, {HELM: {"credsStore": "st"}}, helpers={"st": KNOWS_NOTHING}
    ),
    State("a store of helm that is broken", HERE, {HELM: {"credsStore": "st"}}, helpers={"st": IS_BROKEN}),
    State(
        "a store of helm that answers empty",
        HERE,
        {HELM: {"credsStore": "st"}},
        helpers={"st": ANSWERS_EMPTY},
    ),
    State(
        "a store of helm with an identity token",
        HERE,
        {HELM: {"credsStore": "st"}},
        helpers={"st": answers("id", "<token>")},
    ),
    State(
        "a keychain before docker's file",
        HERE,
        {},
        helpers={"secretservice": answers("ring")},
    ),
    State("a keychain that is broken before docker's file", HERE, {}, helpers={"secretservice": IS_BROKEN}),
    State(
        "HELM_REGISTRY_CONFIG",
        HERE,
        {"named.json": {"auths": {HOST: entry("named")}}},
        {"HELM_REGISTRY_CONFIG": "{home}/named.json"},
    ),
    State(
        "HELM_CONFIG_HOME",
        HERE,
        {"hc/registry/config.json": {"auths": {HOST: entry("named")}}},
        {"HELM_CONFIG_HOME": "{home}/hc"},
    ),
    State(
        "XDG_CONFIG_HOME for helm",
        HERE,
        {"xdg/helm/registry/config.json": {"auths": {HOST: entry("named")}}},
        {"XDG_CONFIG_HOME": "{home}/xdg"},
    ),
]
"""Of helm, which has a file of its own."""

PER_HOST = [
    State("a file of buildx for the host", None, {BUILDX: {"auths": {HOST: entry("buildx")}}}),
    State(
        "a file of buildx for the host, beside docker's", HERE, {BUILDX: {"auths": {HOST: entry("buildx")}}}
    ),
    State("a marker of buildx for the host", HERE, {BUILDX: {"auths": {HOST: {}}}}),
    State("a file of buildx for the host that is broken", HERE, {BUILDX: b"{"}),
    State(
        "a file of buildx for the host, in DOCKER_CONFIG",
        None,
        {"dc/buildx/config/" + HOST + "/config.json": {"auths": {HOST: entry("buildx")}}},
        {"DOCKER_CONFIG": "{home}/dc"},
    ),
    State(
        "a file of buildx in BUILDX_CONFIG",
        HERE,
        {"bx/config/" + HOST + "/config.json": {"auths": {HOST: entry("buildx")}}},
        {"BUILDX_CONFIG": "{home}/bx"},
    ),
    State(
        "a file of buildx for the repository",
        HERE,
        {f".docker/buildx/config/{HOST}/node/config.json": {"auths": {HOST: entry("buildx")}}},
    ),
    State(
        "a file of buildx for the scope",
        HERE,
        {f".docker/buildx/config/{HOST}/node@pull/config.json": {"auths": {HOST: entry("buildx")}}},
    ),
]
"""Of buildx, whose files for a host go before docker's where a registry hands out bearer tokens."""

NODE = [
    State("a file in the kubelet's folder", HERE, {KUBELET: {"auths": {HOST: entry("kubelet")}}}),
    State(
        "a file in the kubelet's folder without the host", HERE, {KUBELET: {"auths": {OTHER: entry("there")}}}
    ),
    State("a file in the kubelet's folder that is broken", HERE, {KUBELET: b"{"}),
    State("a file in the kubelet's folder that is empty", HERE, {KUBELET: b""}),
    State(
        "a file in the kubelet's folder with an undecodable entry",
        HERE,
        {KUBELET: {"auths": {HOST: entry("kubelet"), OTHER: {"auth": "!!!"}}}},
    ),
    State("a file in the kubelet's folder with a store", HERE, {KUBELET: {"credsStore": "st"}}),
    State("a file in the root folder", HERE, {"config.json": {"auths": {HOST: entry("root")}}}),
    State(
        "a file in root's home",
        HERE,
        {"root/.docker/config.json": {"auths": {HOST: entry("root")}}},
    ),
    State("an auth without padding", {"auths": {HOST: {"auth": auth("unpadded!").rstrip("=")}}}),
    State("a login for all of them", {"auths": {"*.dkr.ecr.us-west-2.amazonaws.com": entry("all")}}),
    State(
        "a login for all of them and an entry",
        {"auths": {"*.dkr.ecr.us-west-2.amazonaws.com": entry("all"), **HERE["auths"]}},
    ),
    State("an old dockercfg of the kubelet", None, {"var/lib/kubelet/.dockercfg": {HOST: entry("old")}}),
    State("an old dockercfg in root's home", None, {"root/.dockercfg": {HOST: entry("old")}}),
]
"""Of the kubelet, to whom the home is the root of all."""
