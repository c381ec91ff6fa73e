"""A home with AWS files, and what is read out of them offline."""

from __future__ import annotations

from ecr_refreshd.aws.profiles import Profiles
from ecr_refreshd.core import hosts
from ecr_refreshd.core.model import Choice, Failure, Principal, Standing

HOST = "724013829182.dkr.ecr.us-west-2.amazonaws.com"
ACCOUNT = "arn:aws:iam::724013829182:role/x"


class Home:
    """A home's AWS files, and what is read out of them."""

    def __init__(self, path) -> None:
        self.path = path
        self.environ = {"HOME": str(path), "AWS_EC2_METADATA_DISABLED": "true"}
        (path / ".aws").mkdir()

    def config(self, text: str):
        (self.path / ".aws/config").write_text(text)
        return self

    def credentials(self, text: str):
        (self.path / ".aws/credentials").write_text(text)
        return self

    def load(self, **environ: str) -> Profiles:
        return Profiles.load(self.environ | environ, self.path / "sys")

    def choices(self, host: str = HOST, **environ: str) -> tuple[Choice, ...]:
        parsed = hosts.parse(host)
        assert parsed
        return self.load(**environ).choices(parsed)

    def chosen(self, host: str = HOST, **environ: str) -> list[tuple[str, str]]:
        return [(each.principal.profile, str(each.chosen_by)) for each in self.choices(host, **environ)]

    def nobody(self, host: str = HOST, **environ: str) -> Failure:
        parsed = hosts.parse(host)
        assert parsed
        return self.load(**environ).nobody_for(parsed)

    def standing(self, profile: str, **environ: str) -> Standing:
        return self.load(**environ).standing(Principal(profile))
