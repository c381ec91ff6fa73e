"""Asks the fake AWS with the real boto3, in a process of its own: HOME counts from its first import on.

Each step has a Session of its own, as the service's child has.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

PROGRAM = """
import json, sys, boto3
from botocore.config import Config
for step in json.load(sys.stdin):
    try:
        session = boto3.Session(profile_name=step.get("profile"))
        client = session.client(step.get("service", "ecr"), region_name=step.get("region", "us-west-2"),
            config=Config(retries={"total_max_attempts": 1}, read_timeout=step.get("timeout", 10),
                          proxies=None if step.get("proxied") else {},
                          signature_version=step.get("signature")))
        answer = getattr(client, step.get("call", "get_authorization_token"))(**step.get("with", {}))
        answer.pop("ResponseMetadata", None)
        print(json.dumps({"answer": answer}, default=str))
    except Exception as error:
        code = (getattr(error, "response", None) or {}).get("Error", {}).get("Code", "")
        print(json.dumps({"error": type(error).__name__, "code": code, "text": str(error)}))
"""


def ask(env: dict[str, str], *steps: dict[str, Any]) -> list[dict[str, Any]]:
    """Run the steps one after the other in one process with the environment `env`.

    A step may hold ``profile``, ``service`` (default ecr), ``region`` (us-west-2), ``call``
    (get_authorization_token), ``with`` (its arguments), ``timeout`` (seconds to wait for an answer),
    ``signature`` and ``proxied``.

    Returns:
        For each step ``{"answer": ...}``, or ``{"error": exception's name, "code": AWS's, "text": its text}``.
    """
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        check=False,
        env=env,
        input=json.dumps(steps),
        capture_output=True,
        text=True,
        timeout=60,
    )
    if done.returncode:
        raise RuntimeError(done.stderr)
    return [json.loads(line) for line in done.stdout.splitlines()]
