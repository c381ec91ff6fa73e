"""A minimal valid image, built from nothing: what ``node:18-slim`` is in a world without the network.

One layer with one file of incompressible bytes, a config, a docker v2 manifest. The same arguments give the
same digests, on every machine.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import platform
import random
import tarfile
import urllib.request
from dataclasses import dataclass
from urllib.parse import urljoin

MANIFEST_TYPE = "application/vnd.docker.distribution.manifest.v2+json"
CONFIG_TYPE = "application/vnd.docker.container.image.v1+json"
LAYER_TYPE = "application/vnd.docker.image.rootfs.diff.tar.gzip"
ARCHITECTURE = {"x86_64": "amd64", "aarch64": "arm64", "arm64": "arm64"}


@dataclass(frozen=True, slots=True)
class Image:
    """The three documents of an image, as bytes."""

    layer: bytes
    config: bytes
    manifest: bytes

    @property
    def digest(self) -> str:
        """The manifest's digest: the image's name for machines."""
        return digest(self.manifest)

    def blobs(self) -> dict[str, bytes]:
        """Layer and config by digest."""
        return {digest(each): each for each in (self.layer, self.config)}


def digest(content: bytes) -> str:
    """Return ``sha256:`` and the hex digest."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def build(size: int = 256 * 1024, seed: int = 18) -> Image:
    """Build an image whose layer holds `size` bytes, chosen by `seed`."""
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w") as archive:
        # The bytes are not secret, only the same each time and worth carrying.
        content = random.Random(seed).randbytes(size)
        member = tarfile.TarInfo("opt/node/node.bin")
        member.size, member.mode = len(content), 0o755
        archive.addfile(member, io.BytesIO(content))
    plain = tar.getvalue()
    layer = gzip.compress(plain, mtime=0)
    config = _canonical(
        {
            "architecture": ARCHITECTURE.get(platform.machine(), "amd64"),
            "os": "linux",
            "created": "2026-01-01T00:00:00Z",
            "config": {"Cmd": ["/opt/node/node.bin"], "Env": ["PATH=/opt/node"]},
            "rootfs": {"type": "layers", "diff_ids": [digest(plain)]},
            "history": [{"created": "2026-01-01T00:00:00Z", "created_by": "tests/world"}],
        }
    )
    manifest = _canonical(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST_TYPE,
            "config": {"mediaType": CONFIG_TYPE, "size": len(config), "digest": digest(config)},
            "layers": [{"mediaType": LAYER_TYPE, "size": len(layer), "digest": digest(layer)}],
        }
    )
    return Image(layer, config, manifest)


def upload(image: Image, registry: str, repository: str, tag: str) -> None:
    """Push an image to a registry that asks nobody's name, by the distribution API.

    Args:
        image: what to push.
        registry: its URL, such as ``http://127.0.0.1:5000``.
        repository: for example ``node``.
        tag: for example ``18-slim``.
    """
    for name, content in image.blobs().items():
        started = _send("POST", f"{registry}/v2/{repository}/blobs/uploads/")
        where = urljoin(f"{registry}/", started)
        joint = "&" if "?" in where else "?"
        _send("PUT", f"{where}{joint}digest={name}", content, "application/octet-stream")
    _send("PUT", f"{registry}/v2/{repository}/manifests/{tag}", image.manifest, MANIFEST_TYPE)


def _send(method: str, url: str, body: bytes = b"", kind: str = "application/octet-stream") -> str:
    request = urllib.request.Request(url, body, {"Content-Type": kind}, method=method)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=20) as answer:
        return str(answer.headers.get("Location", ""))


def _canonical(document: object) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode()
