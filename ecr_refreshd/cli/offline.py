"""The registries as a service would keep them: by settings, docker's files and AWS files, without a request."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any

from ecr_refreshd.aws.files import AwsFiles
from ecr_refreshd.aws.partitions import regions
from ecr_refreshd.cli.bounded import bounded
from ecr_refreshd.cli.kept import file_plans
from ecr_refreshd.core import fallback, memory, plan
from ecr_refreshd.core.ports import AwsLook
from ecr_refreshd.core.settings import Settings
from ecr_refreshd.core.state import Registry
from ecr_refreshd.errors import RefreshdError
from ecr_refreshd.host import clock


def aws_files(environ: Mapping[str, str]) -> AwsLook | None:
    """Return what the AWS files say, None if they cannot be read in time."""
    try:
        return bounded(AwsFiles(environ, clock.SystemClock()).look)
    except (OSError, RefreshdError):  # of which TimeoutError is one
        return None


def registries(
    settings: Settings,
    found: Iterable[str],
    remembered: Mapping[str, Any],
    aws: AwsLook,
    environ: Mapping[str, str],
) -> Mapping[str, Registry]:
    """Return what would be kept, by host.

    Args:
        settings: the configuration.
        found: the ECR hosts that docker's and podman's files hold.
        remembered: the state file.
        aws: the AWS files.
        environ: the service's, or the shell's.
    """
    dropped = memory.dropped(remembered) if settings.registries else frozenset()
    make = partial(
        plan.make,
        settings,
        file_plans(settings, environ),
        [*memory.adopted(remembered), *(host for host in found if host not in dropped)],
        aws.profiles,
        regions(),
        seed="",
        zone=clock.LocalZone(),
    )
    now = clock.now()
    passed = fallback.passed_over(memory.recall(remembered, now), make(), now)
    return make(passed=passed).registries
