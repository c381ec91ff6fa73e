"""Whom to tell what, unasked: one notice for each cause, for as long as it lasts (DESIGN 7).

What is wanted is read off the facts; what stands is remembered. The difference is raised and withdrawn, so no
cause is told twice and none is left standing. Only what a person can mend is told: being offline is not.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from ecr_refreshd.core import fallback, logins, shared_causes
from ecr_refreshd.core.decisions import Decision, Tell, Wake
from ecr_refreshd.core.events import NoticeTold
from ecr_refreshd.core.model import Category, Failure, Instant, Notice
from ecr_refreshd.core.pauses import served_by_grant
from ecr_refreshd.core.phases import counting
from ecr_refreshd.core.pulls import refusal_by_registry
from ecr_refreshd.core.remedies import ours
from ecr_refreshd.core.remedies.aws import sign_in
from ecr_refreshd.core.schedule import alive
from ecr_refreshd.core.sighting import CONTESTED_AFTER, lives
from ecr_refreshd.core.state import GrantFacts, NoticeFacts, Plan, Registry, State
from ecr_refreshd.core.times import spoken

_MARKS = (60, 15, 0)
"""Minutes before the last token dies at which a person is reminded (DESIGN 7)."""
_TOLD_FOR = timedelta(hours=1)
"""A notice about what is done already stands this long."""
_NAMED = 3


@dataclass(frozen=True, slots=True)
class _Cause:
    """A notice that should stand now; `dies_at` is when what still works stops (UTC), None if nothing does."""

    notice: Notice
    dies_at: datetime | None = None


def settle(state: State, now: Instant, plan: Plan, wake: Wake) -> tuple[State, tuple[Decision, ...]]:
    """Return the state with the notices that stand from now on, and whom to tell what."""
    wanted = {cause.notice.key: cause for cause in _causes(state, now, plan, wake)}
    if not wanted and not state.notices:
        return state, ()
    decisions: list[Decision] = []
    standing: dict[str, NoticeFacts] = {}
    for key, cause in wanted.items():
        passed = _passed(cause, now, wake)
        facts = state.notices.get(key)
        if facts is None:
            decisions.append(Tell("raised", cause.notice))
            standing[key] = NoticeFacts(cause.notice, passed)
            continue
        notice = replace(cause.notice, since=facts.notice.since)
        if passed - facts.reminded:
            decisions.append(Tell("reminded", notice, facts.place))
        standing[key] = replace(facts, notice=notice, reminded=facts.reminded | passed)
    gone = [facts for key, facts in state.notices.items() if key not in wanted]
    decisions.extend(Tell("withdrawn", facts.notice, facts.place) for facts in gone)
    return replace(state, notices=standing), tuple(decisions)


def _passed(cause: _Cause, now: Instant, wake: Wake) -> frozenset[int]:
    """Return the marks that have passed; one reminder is enough for several that passed in a sleep."""
    if cause.dies_at is None:
        return frozenset(_MARKS)
    ahead = {mark: cause.dies_at - timedelta(minutes=mark) for mark in _MARKS}
    for at in ahead.values():
        wake.wall(at)
    return frozenset(mark for mark, at in ahead.items() if at <= now.wall)


def told(state: State, event: NoticeTold) -> State:
    """Take note of how a notice got through."""
    facts = state.notices.get(event.key)
    if facts is None or event.event == "withdrawn":
        return state
    facts = replace(facts, problems=event.problems, place=event.place or facts.place)
    return replace(state, notices={**state.notices, event.key: facts})


def _causes(state: State, now: Instant, plan: Plan, wake: Wake) -> Iterator[_Cause]:
    by_login: dict[str, list[tuple[Failure, Registry]]] = {}
    counted = counting(state, plan, now)
    by_cause: dict[str, list[tuple[Failure, Registry]]] = {}
    for key, served in served_by_grant(state, plan).items():
        facts = state.grant(key)
        if facts.failure is None or counted.isdisjoint(registry.host for registry in served):
            continue
        if facts.failure.category is Category.LOGIN:
            login = _login_of(served[0])
            if _may_be_over(facts) and f"login:{login}" not in state.notices:
                continue
            by_login.setdefault(login, []).extend((facts.failure, registry) for registry in served)
        elif facts.failure.category is not Category.TRANSIENT and facts.token is not None:
            cause = shared_causes.notice_key(facts.failure) or key
            by_cause.setdefault(cause, []).extend((facts.failure, registry) for registry in served)
    for facts, served in fallback.waiting(state, plan):
        login = _login_of(served[0])
        is_missed = facts.token is not None or f"login:{login}" in state.notices
        if facts.failure and is_missed and not counted.isdisjoint(registry.host for registry in served):
            by_login.setdefault(login, []).extend((facts.failure, registry) for registry in served)
    for cause, failing in by_cause.items():
        yield _failing(cause, failing, state, now, plan)
    for login, waiting in by_login.items():
        waiting.extend(_others_behind(login, waiting, state, plan))
        yield _login_needed(login, waiting, state, now, plan)
    yield from _endings(state, now, plan, wake, by_login.keys(), counted)
    yield from _done(state, now, plan, wake)
    yield from _in_files(state, now, plan)
    for host in state.probes.keys() - state.pauses.keys():
        registry = plan.registries.get(host)
        refusal = None if registry is None else refusal_by_registry(state, registry)
        if refusal is not None:
            yield _refused(host, refusal, now)


def _others_behind(
    login: str, waiting: list[tuple[Failure, Registry]], state: State, plan: Plan
) -> Iterator[tuple[Failure, Registry]]:
    """Yield the other registries of a login: those that AWS refuses a moment later are no less concerned."""
    named = {registry.host for _, registry in waiting}
    for registry in plan.registries.values():
        if registry.standing.lane == login and registry.host not in named | state.pauses.keys():
            yield waiting[0][0], registry


def _may_be_over(facts: GrantFacts) -> bool:
    """Return whether AWS is being asked again, so that the newest refusal need not be the last word."""
    return facts.fetching is not None or facts.asked or facts.stirred


def _login_of(registry: Registry) -> str:
    standing = registry.standing
    return standing.lane or f"profile:{standing.process or _profile(registry)}"


def _profile(registry: Registry) -> str:
    principal = None if registry.grant is None else registry.grant.principal
    return "" if principal is None else principal.profile


def _login_needed(
    login: str, waiting: list[tuple[Failure, Registry]], state: State, now: Instant, plan: Plan
) -> _Cause:
    failures = [failure for failure, _ in waiting]
    registries = [registry for _, registry in waiting]
    first = min(failures, key=lambda failure: failure.at or now.wall)
    told = state.notices.get(f"login:{login}")
    since = (first.at or now.wall) if told is None else told.notice.since
    standing = registries[0].standing
    words, dies_at = _what_works(registries, state, now, plan)
    remedy = sign_in(standing)
    command = standing.login_command if standing.is_configured else remedy.command
    helps = (first.hint or remedy.hint) if remedy.words else f"Run: {remedy.command}"
    name = f'"{standing.sso_session}"' if standing.sso_session else f"of profile {_profile(registries[0])}"
    notice = Notice(
        key=f"login:{login}",
        title=f"AWS login {name} is needed",
        body=_sentences(first.message, words, _confirmed(registries, state, since, plan), helps),
        since=since,
        command=command,
        sign_in=bool(command and (standing.lane or standing.is_configured)),
        refreshes=tuple(r.host for r in registries) if standing.process and standing.is_configured else (),
    )
    return _Cause(notice, dies_at)


def _what_works(
    registries: list[Registry], state: State, now: Instant, plan: Plan
) -> tuple[str, datetime | None]:
    """Return a sentence on until when pulls work, and when the last token dies."""
    ends = []
    dead = []
    for registry in registries:
        end = _end(registry, state, now, plan)
        if end is None:
            dead.append(registry.host)
        else:
            ends.append(end)
    if not ends:
        return f"Pulls from {_named(dead)} fail until then.", None
    living = [r.host for r in registries if r.host not in dead]
    text = f"Pulls from {_named(living)} work until {spoken(min(ends), now.wall, plan.zone)}, AWS says."
    return (text if not dead else f"{text} Those from {_named(dead)} fail."), max(ends)


def _end(registry: Registry, state: State, now: Instant, plan: Plan) -> datetime | None:
    """Return when the living token of a registry ends: ours, else what stands in a file; None if none lives."""
    serving = plan.registries[registry.host].grant
    token = None if serving is None else state.grant(serving.key).token
    if token is not None and alive(token, now):
        return token.expires_at
    entries = (state.sink(file.path).entry(registry.host) for file in plan.files)
    ours = None if token is None else token.fingerprint
    return max(
        (e.expires_hint for e in entries if e.expires_hint and e.fingerprint != ours and lives(e, now)),
        default=None,
    )


def _sentences(*texts: str) -> str:
    return " ".join(text for text in texts if text)


def _named(hosts: list[str]) -> str:
    return ", ".join(hosts) if len(hosts) <= _NAMED else f"{len(hosts)} registries"


def _confirmed(registries: list[Registry], state: State, since: datetime, plan: Plan) -> str:
    """Return what a registry itself has said of the token since the login ended."""
    for registry in registries:
        probe = state.probes.get(registry.host)
        if probe is None or probe.at is None or probe.at < since:
            continue
        if probe.answer == "accepted":
            return f"The registry confirmed it at {spoken(probe.at, probe.at, plan.zone)}."
        if probe.answer == "refused":
            return f"But the registry refuses it already ({probe.detail})."
    return ""


def _endings(
    state: State, now: Instant, plan: Plan, wake: Wake, needed: object, counted: frozenset[str]
) -> Iterator[_Cause]:
    """Yield the logins that are about to end."""
    by_lane: dict[str, list[Registry]] = {}
    for served in served_by_grant(state, plan).values():
        if served[0].standing.lane and not counted.isdisjoint(registry.host for registry in served):
            by_lane.setdefault(served[0].standing.lane, []).extend(served)
    for lane, registries in by_lane.items():
        facts = state.logins.get(lane)
        if facts is None or facts.ended or lane in needed:  # type: ignore[operator] # a view of keys
            continue
        configured = plan.session_lengths.get(lane)
        end = logins.end_to_announce(facts, configured, now)
        if end is None or end <= now.wall or not plan.warn_before:
            continue
        wake.wall(end - plan.warn_before)
        if end - plan.warn_before <= now.wall:
            is_known = end == logins.known_end(facts, configured, now)
            yield _Cause(_ending(lane, end, registries, state, now, plan, is_known=is_known))


def _ending(
    lane: str,
    end: datetime,
    registries: list[Registry],
    state: State,
    now: Instant,
    plan: Plan,
    *,
    is_known: bool,
) -> Notice:
    standing = registries[0].standing
    words, _ = _what_works(registries, state, now, plan)
    name = f'"{standing.sso_session}"' if standing.sso_session else f"of profile {_profile(registries[0])}"
    ends = "ends" if is_known else "is expected to end"
    return Notice(
        key=f"ending:{lane}",
        title=f"AWS login {name} {ends} at {spoken(end, now.wall, plan.zone)}",
        body=f"{words} Tokens are renewed once more before the end. Run: {standing.login_command}",
        since=end - plan.warn_before,
        command=standing.login_command,
        sign_in=True,
    )


def _failing(
    cause: str, failing: list[tuple[Failure, Registry]], state: State, now: Instant, plan: Plan
) -> _Cause:
    served = [registry for _, registry in failing]
    failure = min((each for each, _ in failing), key=lambda each: each.at or now.wall)
    words, dies_at = _what_works(served, state, now, plan)
    notice = Notice(
        key=f"failing:{cause}",
        title=f"AWS gives no token any more for {_named([registry.host for registry in served])}",
        body=_sentences(failure.message, words, failure.hint),
        since=failure.at or now.wall,
    )
    return _Cause(notice, dies_at)


def _done(state: State, now: Instant, plan: Plan, wake: Wake) -> Iterator[_Cause]:
    """Yield what was done against somebody's doing, for a while."""
    for host, at in (*state.logouts.items(), *state.replaced.items()):
        wake.wall(at + _TOLD_FOR)
        if host not in plan.registries or host in state.pauses or not at <= now.wall < at + _TOLD_FOR:
            continue
        if state.logouts.get(host) == at:
            yield _Cause(
                Notice(
                    key=f"logout:{host}",
                    title=f"The login to {host} was put back",
                    body="It was logged out, and this service keeps it fresh. To be left logged out, "
                    f"run: {ours.pause(host)}",
                    since=at,
                    command=ours.pause(host),
                )
            )
        if state.replaced.get(host) == at:
            yield _Cause(
                Notice(
                    key=f"replaced:{host}",
                    title=f"Another login to {host} was replaced",
                    body="ECR takes no user name but AWS and no identity token, so what stood there could not "
                    f"have worked. Put back, it would be left alone; or run: {ours.pause(host)}",
                    since=at,
                    command=ours.pause(host),
                )
            )


def _in_files(state: State, now: Instant, plan: Plan) -> Iterator[_Cause]:
    """Yield who fights over a file, and what hides its entries from clients."""
    for file in plan.files:
        hosts = state.sink(file.path).hosts
        known = {host: facts for host, facts in hosts.items() if host in plan.registries}
        fought = sorted(host for host, facts in known.items() if facts.undone >= CONTESTED_AFTER)
        if fought:
            yield _Cause(
                Notice(
                    key=f"contested:{file.path}",
                    title=f"Something keeps undoing our login in {file.path}",
                    body=f"The entry of {_named(fought)} is rewritten again and again by another program. It is "
                    f"put back more slowly now. Find that program, or run: ecr-refreshd pause {fought[0]}",
                    since=now.wall,
                    command=ours.pause(fought[0]),
                )
            )
        hidden = sorted(host for host, facts in known.items() if facts.lost and host not in state.pauses)
        if hidden:
            yield _Cause(
                Notice(
                    key=f"shadowed:{file.path}",
                    title=f"Docker no longer reads our login in {file.path}",
                    body=f"This concerns {_named(hidden)}. {known[hidden[0]].lost}",
                    since=now.wall,
                )
            )


def _refused(host: str, refusal: Failure, now: Instant) -> _Cause:
    return _Cause(
        Notice(
            key=f"refused:{host}",
            title=f"{host} refuses the tokens that AWS issues",
            body=f"It refused a new one too. {refusal.message} {refusal.hint}",
            since=refusal.at or now.wall,
            command=refusal.command,
        )
    )
