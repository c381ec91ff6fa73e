"""Certificates for the names of the world: self-signed, so that the certificate is its own authority."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path


def self_signed(folder: Path, names: Sequence[str]) -> tuple[Path, Path]:
    """Make a certificate for `names` and 127.0.0.1 with openssl, good for two days; return it and its key."""
    folder.mkdir(parents=True, exist_ok=True)
    certificate, key = folder / "cert.pem", folder / "key.pem"
    alternatives = ",".join(["IP:127.0.0.1", "DNS:localhost", *(f"DNS:{name}" for name in names)])
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    command += [
        "-days",
        "2",
        "-subj",
        "/CN=ecr-refreshd test world",
        "-addext",
        f"subjectAltName={alternatives}",
    ]
    command += ["-keyout", str(key), "-out", str(certificate)]
    subprocess.run(command, check=True, capture_output=True, timeout=30)
    return certificate, key
