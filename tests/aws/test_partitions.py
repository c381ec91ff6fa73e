"""Regions and their partitions, as botocore has them."""

from __future__ import annotations

import subprocess
import sys

import botocore.session

from ecr_refreshd.aws.partitions import regions


def test_every_region_is_in_the_partition_that_botocore_says() -> None:
    session = botocore.session.Session()
    found = regions()
    assert found["us-west-2"] == "aws"
    assert found["cn-north-1"] == "aws-cn"
    assert found["us-gov-west-1"] == "aws-us-gov"
    assert set(found.values()) == set(session.get_available_partitions())
    for region, partition in found.items():
        assert session.get_partition_for_region(region) == partition


def test_pseudo_regions_are_none() -> None:
    assert not [region for region in regions() if "global" in region]


CODE = """
import sys
from ecr_refreshd.aws.partitions import regions
regions()
print("botocore" in sys.modules)
"""


def test_botocore_itself_is_not_imported() -> None:
    done = subprocess.run([sys.executable, "-I", "-c", CODE], check=True, capture_output=True, text=True)
    assert done.stdout == "False\n"
