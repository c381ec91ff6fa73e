"""What `init` proposes is a configuration, and says what it seems to say."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ecr_refreshd.core.draft import Candidate, draft
from ecr_refreshd.core.model import ChosenBy
from ecr_refreshd.core.settings_parse import parse

REGIONS = {"us-west-2": "aws", "eu-west-1": "aws", "us-east-1": "aws", "cn-north-1": "aws-cn"}


def host(account: str, region: str) -> str:
    return f"{account}.dkr.ecr.{region}.amazonaws.com"


WEST, EAST, FAR = (
    host("111111111111", "us-west-2"),
    host("111111111111", "eu-west-1"),
    host("222222222222", "us-west-2"),
)


def kept(text: str) -> dict[str, str | None]:
    settings = parse(text, regions=REGIONS, source="config.toml")
    assert settings.warnings == ()
    return {each.host: each.profile for each in settings.registries}


def test_the_registries_of_an_account_share_a_table() -> None:
    text = draft(
        [Candidate(each, ("Dockerfile:1",), "dev", partition="aws") for each in (WEST, EAST, FAR)], []
    )
    assert kept(text) == {WEST: "dev", EAST: "dev", FAR: "dev"}
    assert text.count("\n[[registry]]") == 2
    assert 'regions = ["eu-west-1", "us-west-2"]' in text


def test_who_else_would_fit_and_where_it_was_found_are_said() -> None:
    text = draft([Candidate(WEST, ("a:1", "b:2", "c:3", "d:4"), "dev", others=("ops",), partition="aws")], [])
    assert "# ops would fit too." in text
    assert f"# {WEST}: a:1, b:2, c:3, and 1 more" in text
    assert "its account is this one" in text


def test_a_registry_for_which_there_is_no_profile_is_named_in_a_comment() -> None:
    """Kept, it would fail for ever, and nobody would be served by it."""
    text = draft([Candidate(WEST, ("a:1",), None, partition="aws")], [])
    assert kept(text) == {}
    assert '# account = "111111111111"' in text
    assert "aws configure sso" in text


def test_the_credentials_of_the_machine_are_a_profile_without_a_name() -> None:
    assert kept(draft([Candidate(WEST, ("a",), "", ChosenBy.AMBIENT, partition="aws")], [])) == {WEST: ""}


def test_a_profile_is_left_to_the_service_and_who_is_tried_is_said() -> None:
    """A profile that is written down is the only one that is tried."""
    both = Candidate(WEST, ("a",), "", ChosenBy.AMBIENT, partition="aws", then=("work", "ops"))
    text = draft([both, Candidate(EAST, ("b",), "", ChosenBy.AMBIENT, partition="aws", then=("work",))], [])
    assert kept(text) == {WEST: None, EAST: None}
    assert "# No profile: the service tries the credentials of this machine, then work, ops." in text
    assert "# No profile: the service tries the credentials of this machine, then work.\n" in text


def test_a_region_that_nobody_knows_stays_a_comment() -> None:
    strange = host("111111111111", "us-moon-1")
    text = draft([Candidate(strange, ("a",), "dev")], [])
    assert kept(text) == {}
    assert strange in text


def test_names_with_variables_and_nothing_at_all() -> None:
    assert "app/Dockerfile:3: ${ACCOUNT}.dkr" in draft([], ["app/Dockerfile:3: ${ACCOUNT}.dkr"])
    assert kept(draft([], [])) == {}


# A section of an INI file has a name without control characters, and the settings take no other.
names = st.text(min_size=1, max_size=12).filter(str.isprintable)
candidates = st.lists(
    st.builds(
        Candidate,
        st.sampled_from([WEST, EAST, FAR, "public.ecr.aws", "111111111111.dkr-ecr.us-west-2.on.aws"]),
        st.lists(names, min_size=1, max_size=5).map(tuple),
        st.none() | names | st.just(""),
        st.sampled_from([each for each in ChosenBy if each is not ChosenBy.CONFIG]),
        st.lists(names, max_size=2).map(tuple),
        st.sampled_from(["aws", ""]),
    ),
    max_size=5,
    unique_by=lambda each: each.host,
)


@given(candidates, st.lists(st.text(max_size=20), max_size=2))
def test_whatever_profiles_and_places_are_called(found: list[Candidate], unresolved: list[str]) -> None:
    """A name with a quote or a bracket makes no other configuration."""
    expected = {each.host: each.profile for each in found if each.partition and each.profile is not None}
    assert kept(draft(found, unresolved)) == expected
