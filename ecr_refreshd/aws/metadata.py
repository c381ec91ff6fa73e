"""Record what the instance's metadata service answered, in the child; botocore keeps it to itself.

Without it a reply that is lost on the way into a container, an instance without a role, and a service that
refuses all look the same: no credentials.
"""

from __future__ import annotations

import json
from typing import Any

import botocore.credentials
import botocore.utils
from botocore.exceptions import BotoCoreError, ReadTimeoutError

from ecr_refreshd.aws.programs import here
from ecr_refreshd.aws.redact import first_line

_SESSION_PATH = "latest/api/token"
_ROLES = "iam/security-credentials/"


class _Recording:
    """An HTTP session of botocore's that notes what each request met."""

    def __init__(self, session: Any) -> None:
        self._session = session

    def send(self, request: Any) -> Any:
        """Send a request, and note its outcome; the last of each kind counts."""
        url = str(request.url)
        step = "token" if url.endswith(_SESSION_PATH) else "roles" if url.endswith(_ROLES) else "credentials"
        try:
            response = self._session.send(request)
        except ReadTimeoutError:
            here.metadata[step] = "timeout"
            raise
        except BotoCoreError:
            here.metadata[step] = "connection"
            raise
        here.metadata[step] = str(response.status_code)
        if step == "credentials":
            _note_refusal(response.content)
        return response


def _note_refusal(content: bytes) -> None:
    """Note the code by which EC2 says, with status 200, that it may not assume the role."""
    try:
        said = json.loads(content)
    except (ValueError, RecursionError):
        return
    if isinstance(said, dict) and "AccessKeyId" not in said and "Code" in said:
        here.metadata["refused"] = first_line(str(said["Code"]))


class _Fetcher(botocore.utils.InstanceMetadataFetcher):  # type: ignore[misc] # botocore has no types
    _session: Any

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self._session = _Recording(self._session)


def install() -> None:
    """Let every session of this process record what the metadata service answers."""
    botocore.credentials.InstanceMetadataFetcher = _Fetcher
