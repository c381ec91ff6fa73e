"""Which regions exist, and in which partition: read from botocore's data files, without importing botocore.

The service never loads boto3 or botocore (20 MiB); the data file is 7 kB of JSON that they ship.
"""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType


@cache
def regions() -> Mapping[str, str]:
    """Return region -> partition, as the installed botocore knows them ("us-west-2" -> "aws").

    Raises:
        ModuleNotFoundError: botocore, a dependency of this package, is not installed.
    """
    found = importlib.util.find_spec("botocore")  # of a top-level package this imports nothing
    if found is None or found.origin is None:
        raise ModuleNotFoundError("botocore is not installed beside ecr-refreshd", name="botocore")
    document = json.loads((Path(found.origin).parent / "data/partitions.json").read_bytes())
    return MappingProxyType(
        {
            region: partition["id"]
            for partition in document["partitions"]
            for region in partition["regions"]
            if not region.endswith("-global")  # a pseudo-region for services without regions; no ECR there
        }
    )
