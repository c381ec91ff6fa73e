"""Many grants at once, of an AWS that is slow: each is asked for once, and no answer is thrown away."""

from __future__ import annotations

import time

from ecr_refreshd.aws.running import Limits
from ecr_refreshd.core.events import FetchSucceeded
from tests.aws.asking import Asking, children, ecr, wait_until
from tests.world import homes

ACCOUNT = "724013829182"
BRIEF = Limits(grant=6.0, child=9.0, grace=1.0)
"""Scaled down: a child lives for a part only of the time that all of it takes."""


def test_many_slow_profiles_of_one_login_are_each_asked_for_once(aws, tmp_path) -> None:
    """Two hundred of them outlast several children; none that was begun is begun again."""
    profiles = [f"p{number}" for number in range(100)]
    homes.sso_login(tmp_path, aws)
    for profile in profiles:
        homes.sso_profile(tmp_path, profile, ACCOUNT)
    aws.set(latency=0.5)
    with Asking(aws.environment(tmp_path), BRIEF) as asking:
        begun = time.monotonic()
        asking.begin(*(ecr(profile) for profile in profiles))
        answers = [asking.answer(60.0) for _ in profiles]
        assert {type(answer) for answer in answers} == {FetchSucceeded}
        assert time.monotonic() - begun > BRIEF.child, "else this shows nothing"
        wait_until(lambda: not list(children()))
    assert len(aws.calls("GetAuthorizationToken")) == len(profiles)
    assert len(aws.calls("GetRoleCredentials")) == len(profiles)
