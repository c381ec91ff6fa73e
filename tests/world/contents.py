"""What stands behind the registry's door: one small image of our own, or a real registry that is passed on to."""

from __future__ import annotations

import http.client
from collections.abc import Callable
from dataclasses import replace
from urllib.parse import urlencode, urlsplit

from tests.world.image import MANIFEST_TYPE, Image
from tests.world.loopback import Answer, Request, as_json

VERSION = {"Docker-Distribution-Api-Version": "registry/2.0"}
REPOSITORIES = ("node", "docker/library/node")
TAGS = ("18-slim", "latest")

Contents = Callable[[Request], Answer]


def refused(status: int, code: str, message: str, **headers: str) -> Answer:
    """A registry's error document."""
    return as_json(
        {"errors": [{"code": code, "message": message}]},
        status,
        content_type="application/json; charset=utf-8",
        **headers,
    )


def of_image(image: Image) -> Contents:
    """Serve one image, for reading only, in each of `REPOSITORIES` under each of `TAGS` and by digest."""
    blobs = image.blobs()

    def respond(request: Request) -> Answer:
        if request.path.rstrip("/") == "/v2":
            return replace(as_json({}), headers=VERSION | {"Content-Type": "application/json"})
        if request.method not in {"GET", "HEAD"}:
            return refused(405, "UNSUPPORTED", "this registry is for reading")
        repository, kind, reference = _parts(request.path)
        if repository not in REPOSITORIES:
            return refused(404, "NAME_UNKNOWN", f"The repository with name '{repository}' does not exist")
        if kind == "tags":
            return as_json({"name": repository, "tags": list(TAGS)})
        if kind == "manifests" and reference in {*TAGS, image.digest}:
            return _content(image.manifest, image.digest, MANIFEST_TYPE)
        if kind == "blobs" and reference in blobs:
            return _content(blobs[reference], reference, "application/octet-stream")
        return refused(404, "MANIFEST_UNKNOWN", "Requested image not found")

    return respond


def _parts(path: str) -> tuple[str, str, str]:
    pieces = path.strip("/").split("/")
    if len(pieces) < 4:
        return "", "", ""
    return "/".join(pieces[1:-2]), pieces[-2], pieces[-1]


def _content(body: bytes, name: str, kind: str) -> Answer:
    headers = {"Content-Type": kind, "Docker-Content-Digest": name, "ETag": f'"{name}"'}
    return Answer(200, body, VERSION | headers, length=len(body))


def of_registry(url: str) -> Contents:
    """Pass every request on to a real registry at `url` (http, loopback), and its answer back."""
    address = urlsplit(url)
    hop = {
        "connection",
        "transfer-encoding",
        "keep-alive",
        "date",
        "content-length",
        "authorization",
        "expect",
    }

    def respond(request: Request) -> Answer:
        query = urlencode(request.query)
        onward = {name: value for name, value in request.headers.items() if name not in hop}
        connection = http.client.HTTPConnection(address.hostname or "127.0.0.1", address.port, timeout=30)
        try:
            where = request.path + (f"?{query}" if query else "")
            connection.request(request.method, where, request.body or None, onward)
            answer = connection.getresponse()
            headers = {name: value for name, value in answer.getheaders() if name.lower() not in hop}
            length = answer.getheader("Content-Length")
            body = answer.read()
        except OSError as error:
            return refused(502, "UNAVAILABLE", str(error))
        finally:
            connection.close()
        return Answer(answer.status, body, headers, length=int(length) if length else None)

    return respond
