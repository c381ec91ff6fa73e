"""Which names are ECR's: every form AWS's own tools accept, and none that merely looks like one."""

from __future__ import annotations

import pytest

from ecr_refreshd.core.hosts import bare, parse, private_name

ID = "724013829182"


@pytest.mark.parametrize(
    ("name", "service", "region", "fips", "dualstack"),
    [
        (f"{ID}.dkr.ecr.us-west-2.amazonaws.com", "ecr", "us-west-2", False, False),
        (f"{ID}.dkr-ecr.us-west-2.on.aws", "ecr", "us-west-2", False, True),
        (f"{ID}.dkr.ecr-fips.us-east-1.amazonaws.com", "ecr", "us-east-1", True, False),
        (f"{ID}.dkr-ecr-fips.us-gov-west-1.on.aws", "ecr", "us-gov-west-1", True, True),
        (f"{ID}.dkr.ecr.cn-north-1.amazonaws.com.cn", "ecr", "cn-north-1", False, False),
        (f"{ID}.dkr-ecr.cn-north-1.on.amazonwebservices.com.cn", "ecr", "cn-north-1", False, True),
        (f"{ID}.dkr.ecr.eusc-de-east-1.amazonaws.eu", "ecr", "eusc-de-east-1", False, False),
        (f"{ID}.dkr.ecr.us-iso-east-1.c2s.ic.gov", "ecr", "us-iso-east-1", False, False),
        (f"{ID}.dkr.ecr.us-isob-east-1.sc2s.sgov.gov", "ecr", "us-isob-east-1", False, False),
        (f"{ID}.dkr.ecr.eu-isoe-west-1.cloud.adc-e.uk", "ecr", "eu-isoe-west-1", False, False),
        (f"{ID}.dkr.ecr.us-isof-south-1.csp.hci.ic.gov", "ecr", "us-isof-south-1", False, False),
        ("public.ecr.aws", "ecr-public", "us-east-1", False, False),
        ("ecr-public.aws.com", "ecr-public", "us-east-1", False, False),
    ],
)
def test_every_host_form_is_known(name: str, service: str, region: str, fips: bool, dualstack: bool) -> None:
    """The table of partitions and suffixes: each form, with the endpoint that mints its token."""
    host = parse(name)

    assert host is not None
    assert (host.name, host.service, host.region) == (name, service, region)
    assert (host.fips, host.dualstack) == (fips, dualstack)


def test_a_fips_host_where_ecr_has_no_fips_endpoint_asks_the_plain_one() -> None:
    """Botocore would build a name that does not resolve."""
    host = parse(f"{ID}.dkr.ecr-fips.eu-west-1.amazonaws.com")

    assert host is not None
    assert not host.fips


@pytest.mark.parametrize(
    "key",
    [
        f"https://{ID}.dkr.ecr.us-west-2.amazonaws.com",
        f"https://{ID}.dkr.ecr.us-west-2.amazonaws.com:443/v2/",
        f"{ID}.DKR.ECR.us-west-2.AmazonAWS.com",
        f"{ID}.dkr.ecr.us-west-2.amazonaws.com/team/app",
        f" {ID}.dkr.ecr.us-west-2.amazonaws.com ",
        f"http://{ID}.dkr.ecr.us-west-2.amazonaws.com/",
    ],
)
def test_the_forms_people_write_mean_the_bare_host(key: str) -> None:
    """Keys of docker configs, of nerdctl, and what is pasted from a console."""
    assert bare(key) == f"{ID}.dkr.ecr.us-west-2.amazonaws.com"


@pytest.mark.parametrize(
    "name",
    [
        f"{ID}.dkr.ecr.us-west-2.amazonaws.com.evil.test",
        f"evil.{ID}.dkr.ecr.us-west-2.amazonaws.com",
        f"{ID}.dkr.ecr.us-west-2.amazonaws.com:5000",
        f"{ID}.dkr-ecr.us-west-2.amazonaws.com",
        f"{ID}.dkr.ecr.us-west-2.on.aws",
        f"{ID}xdkr.ecr.us-west-2.amazonaws.com",
        "12345.dkr.ecr.us-west-2.amazonaws.com",
        f"{ID}.dkr.ecr.us-west-2.amazonaws.co",
        f"{ID}.dkr.ecr..amazonaws.com",
        f"{ID}.dkr.ecr.us-west-2.sub.amazonaws.com",
        "public.ecr.aws.evil.test",
        "docker.io",
        "",
        "https://",
        "٧٢٤٠١٣٨٢٩١٨٢.dkr.ecr.us-west-2.amazonaws.com",
    ],
)
def test_look_alikes_are_not_ours(name: str) -> None:
    """A token handed to a look-alike is a token given away: the match is anchored on both ends."""
    assert parse(name) is None


def test_a_private_name_is_made_and_read_back() -> None:
    """`account` and `regions` of a configuration become hosts."""
    for region, partition in (("us-west-2", "aws"), ("cn-north-1", "aws-cn"), ("us-iso-east-1", "aws-iso")):
        host = parse(private_name(ID, region, partition))
        assert host is not None
        assert (host.account, host.region) == (ID, region)
        assert partition in host.partitions
