"""Which files are to be written now, and with what, read off the facts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from ecr_refreshd.core.decisions import Decision, Wake, Write
from ecr_refreshd.core.delivery import Delivery
from ecr_refreshd.core.healing import OTHER_LOGINS, Judgement, Verdict, judge
from ecr_refreshd.core.hosts import PUBLIC_HOSTS
from ecr_refreshd.core.model import Entry, EntryKind, Instant, Owed, ServedElsewhere, Token
from ecr_refreshd.core.refusing import refusals
from ecr_refreshd.core.schedule import alive
from ecr_refreshd.core.secret import Secret
from ecr_refreshd.core.state import FilePlan, GrantFacts, HostFacts, Plan, Registry, SinkFacts, State

_LONGEST_LIFE = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Carriers:
    """Which sinks carry which hosts, just now.

    Attributes:
        default: the file that carries every host although no configuration names it.
        helped: hosts whose clients some file sends to our helper, or is about to; or have come to it.
        newest: the fingerprints of their newest tokens.
        answered: those for which our helper has that token ready.
        silent: our helper's answers cannot be made ready just now.
    """

    default: str
    helped: frozenset[str]
    newest: Mapping[str, str]
    answered: frozenset[str]
    silent: bool

    @classmethod
    def of(cls, state: State, plan: Plan) -> Carriers:
        """Return them, read off the newest looks."""
        views = [view for file in plan.files if (view := state.sink(file.path).view) is not None]
        # A client that came by another file (a job's own DOCKER_CONFIG) comes again.
        helped = frozenset(state.wanted.keys() & plan.registries.keys()).union(*(v.helped for v in views))
        newest = dict(_newest(state, plan, helped))
        folder = next((state.sink(file.path) for file in plan.files if file.role == "helper"), SinkFacts())
        answered = frozenset(host for host, text in newest.items() if folder.entry(host).fingerprint == text)
        return cls(_default_path(state, plan), helped, newest, answered, folder.failure is not None)

    def carries(self, file: FilePlan, host: str, sink: SinkFacts) -> bool:
        """Return whether a host's token belongs into a sink."""
        if file.role == "helper":
            return host in self.helped
        if file.role == "named" or file.path == self.default:
            return True
        view = sink.view
        if view is None:  # it cannot be read just now: what stood there is not known to have gone
            return sink.failure is not None and _stood(sink, host)
        return host in view.ecr_hosts or (view.exists and _stood(sink, host))

    def waits(self, file: FilePlan, host: str, sink: SinkFacts) -> bool:
        """Return whether clients must not be sent to our helper yet, since it has nothing for them."""
        if file.role == "helper" or sink.view is None or host not in sink.view.helped:
            return False
        if host in self.answered:
            return False
        # What reads the entry beside the line (kubelet) must not wait for a helper that it does not know.
        stands = sink.entry(host).fingerprint == self.newest.get(host)
        return not (self.silent and host in sink.view.both) or stands


def _newest(state: State, plan: Plan, hosts: Iterable[str]) -> Iterator[tuple[str, str]]:
    for host in hosts:
        registry = plan.registries.get(host)
        token = None if registry is None or registry.grant is None else state.grant(registry.grant.key).token
        if token is not None:
            yield host, token.fingerprint


def _default_path(state: State, plan: Plan) -> str:
    """Return the file that carries every host although no configuration names it.

    It is the docker config, unless only an auth.json exists: creating a config.json would hide the logins in
    it from crane and ko, which read one file only (docker-config.md 5).
    """
    default = next((f.path for f in plan.files if f.role == "default"), "")
    sink = state.sink(default)
    removed = any(_stood(sink, host) for host in sink.hosts)
    if sink.view is not None and not sink.view.exists and not removed:
        for file in plan.files:
            also = state.sink(file.path).view
            if file.role == "also" and also is not None and also.exists:
                return file.path
    return default


def _stood(sink: SinkFacts, host: str) -> bool:
    """Return whether our token stood in a file: then that it is missing is somebody's doing, to be healed."""
    facts = sink.host(host)
    return facts.held or facts.spoiled or facts.wrote_at is not None


def serves_elsewhere(sink: SinkFacts, host: str, now: Instant) -> bool:
    """Return whether the clients of a file get a working credential from another program than our helper."""
    served = None if sink.view is None else sink.view.served.get(host)
    return served is not None and served.holds(now.wall)


def served_elsewhere(
    state: State, plan: Plan, carriers: Carriers, host: str, now: Instant
) -> ServedElsewhere | None:
    """Return what serves a host in every file that carries it, the one that ends first; None if one needs us."""
    sinks = [state.sink(f.path) for f in plan.files if carriers.carries(f, host, state.sink(f.path))]
    if not sinks or not all(serves_elsewhere(sink, host, now) for sink in sinks):
        return None
    served = [sink.view.served[host] for sink in sinks if sink.view is not None]
    return min(served, key=lambda each: each.until or now.wall + _LONGEST_LIFE)


def known(sink: SinkFacts, host: str) -> bool:
    """Return whether the newest look was about this host too: what was not looked at is never overwritten."""
    return sink.view is not None and host in sink.view.entries


def judgement_of(state: State, sink: SinkFacts, registry: Registry, now: Instant) -> Judgement | None:
    """Return what a host's entry in a file asks of us; None while it is paused or we hold no living token."""
    if registry.grant is None or registry.host in state.pauses:
        return None
    facts = state.grant(registry.grant.key)
    if facts.token is None or facts.token.auth is None or not alive(facts.token, now):
        return None
    host = registry.host
    entry = sink.entry(host)
    return judge(
        entry,
        facts.token,
        sink.host(host),
        registry,
        now,
        ours=is_ours(state, facts, entry),
        replaced=state.replaced.get(host),
    )


def is_ours(state: State, facts: GrantFacts, entry: Entry) -> bool:
    """Return whether an entry is a token of ours, from whichever grant: a host may get another principal."""
    text = entry.fingerprint
    if not text or (facts.token is not None and facts.token.fingerprint == text):
        return bool(text)
    # Its own grant first: after each renewal that is where every entry is found.
    return any(
        text in each.past or (each.token is not None and each.token.fingerprint == text)
        for each in (facts, *state.grants.values())
    )


def settle(state: State, now: Instant, plan: Plan, wake: Wake) -> tuple[State, tuple[Decision, ...]]:
    """Return the state with the writes that begin now noted in it, and the decisions to begin them."""
    decisions: list[Decision] = []
    carriers = Carriers.of(state, plan)
    for file in plan.files:
        sink = state.sink(file.path)
        if sink.view is None or sink.writing:
            continue
        if sink.not_before is not None and sink.not_before > now.boot:
            wake.boot(sink.not_before)
            continue
        delivery = _delivery(file, sink, carriers, state, now, plan, wake)
        if delivery is None or (delivery.tokens and _gathering(state, sink, delivery.tokens, now, wake)):
            continue
        serial = state.writes + 1
        state = replace(state, replaced={**state.replaced, **_other_logins(sink, delivery.tokens, now)})
        # What we take away ourselves was undone by nobody.
        taking = (delivery.removed | delivery.released) - delivery.tokens.keys()
        # The helper's answers are known as ours by when they were written: what fails is to be tried again.
        gone = {host: replace(sink.host(host), held=False, spoiled=False) for host in taking}
        if file.role != "helper":
            gone = {host: replace(facts, wrote_at=None) for host, facts in gone.items()}
        sink = replace(
            sink,
            writing=serial,
            writing_since=now.boot,
            writing_hosts=frozenset(delivery.tokens),
            taking=taking,
            hosts={**sink.hosts, **gone},
        )
        state = replace(state, writes=serial, sinks={**state.sinks, file.path: sink})
        decisions.append(Write(file.path, serial, delivery))
    return state, tuple(decisions)


def _delivery(
    file: FilePlan, sink: SinkFacts, carriers: Carriers, state: State, now: Instant, plan: Plan, wake: Wake
) -> Delivery | None:
    """Return what a sink is to get now, None if it has everything."""
    released = _not_fought_over(sink, _released(file, sink, carriers, state, plan), now, wake)
    owed = state.owed.get(file.path, Owed()).helpers
    restored = {host: name for host in released if (name := owed.get(host)) is not None}
    # Beside the line of another program that is given back, a token would be of no use, and never be renewed.
    elsewhere = frozenset(host for host, name in restored.items() if name)
    tokens = _tokens_for(file, sink, carriers, released, state, now, plan, wake)
    tokens = {host: token for host, token in tokens.items() if host not in elsewhere}
    delivery = Delivery(
        tokens={host: token.auth for host, token in tokens.items() if token.auth is not None},
        ends={host: token.expires_at for host, token in tokens.items()},
        removed=_not_fought_over(sink, _worthless(sink, state, now, plan), now, wake) - tokens.keys(),
        answered=carriers.answered,
        released=released,
        unpinned=_unpinned(file, sink, carriers, released, state, plan),
        restored=restored,
        refusals=refusals(sink.view, carriers.helped, state, now, plan, wake)
        if sink.view is not None and file.role == "helper"
        else {},
    )
    anything = (
        delivery.tokens or delivery.removed or delivery.released or delivery.unpinned or delivery.refusals
    )
    return delivery if anything else None


def _released(
    file: FilePlan, sink: SinkFacts, carriers: Carriers, state: State, plan: Plan
) -> frozenset[str]:
    """Return the hosts whose clients are no business of our helper's any more: a dead line breaks docker."""
    if sink.view is None or not sink.view.lines:
        return frozenset()
    if file.role == "helper":
        looked = all(state.sink(each.path).view is not None for each in plan.files)
        # What another service of this user keeps ready, with other settings, is its own business.
        ours = (h for h in sink.view.lines if h in plan.registries or sink.host(h).wrote_at is not None)
        return frozenset(ours) - carriers.helped if looked else frozenset()
    put = state.owed.get(file.path, Owed()).helpers.keys()
    stray = sink.view.lines - sink.view.helped
    strays = frozenset(h for h in stray if (known(sink, h) if h in plan.registries else h in put))
    # A line that a person wrote stays; one of ours goes with its reason.
    return (strays | (sink.view.spare & put)) - state.pauses.keys()


def _unpinned(
    file: FilePlan, sink: SinkFacts, carriers: Carriers, released: frozenset[str], state: State, plan: Plan
) -> str:
    """Return the store that we had to name in a file, if nothing is left there that it was named for.

    Docker then finds the same keychain by itself again. Beside an entry or another's line it would not, and the
    logins in the keychain would vanish.
    """
    pin, view = state.owed.get(file.path, Owed()).store, sink.view
    if not pin or view is None or view.store != pin or not view.lonely or view.lines - released:
        return ""
    return "" if any(carriers.carries(file, host, sink) for host in plan.registries) else pin


def _not_fought_over(sink: SinkFacts, hosts: Iterable[str], now: Instant, wake: Wake) -> frozenset[str]:
    """Return those of these hosts whose next write does not have to wait, since nobody keeps undoing it."""
    free: set[str] = set()
    for host in hosts:
        not_before = sink.host(host).not_before
        if not_before is not None and not_before > now.boot:
            wake.boot(not_before)
        else:
            free.add(host)
    return frozenset(free)


def _other_logins(sink: SinkFacts, tokens: Iterable[str], now: Instant) -> dict[str, datetime]:
    """Return the hosts under which somebody's login of another kind gives way to our token."""
    return {host: now.wall for host in tokens if sink.entry(host).kind in OTHER_LOGINS}


def _worthless(sink: SinkFacts, state: State, now: Instant, plan: Plan) -> Iterator[str]:
    """Yield the public registries whose token is dead and cannot be renewed now.

    A dead token there breaks pulls that need no login at all (DESIGN 6); a private one changes nothing.
    """
    for host in PUBLIC_HOSTS:
        registry = plan.registries.get(host)
        entry = sink.entry(host)
        if registry is None or host in state.pauses or entry.kind is not EntryKind.TOKEN:
            continue
        facts = GrantFacts() if registry.grant is None else state.grant(registry.grant.key)
        renewable = registry.grant is not None and facts.failure is None
        if not renewable and _dead_by_both_clocks(entry, facts, sink.host(host), now):
            yield host


def _dead_by_both_clocks(entry: Entry, facts: GrantFacts, host: HostFacts, now: Instant) -> bool:
    token = facts.token
    if token is not None and token.fingerprint == entry.fingerprint:
        by_boot = token.obtained_boot is None or now.boot - token.obtained_boot >= token.life
        return now.wall >= token.expires_at and by_boot
    if entry.expires_hint is None or now.wall < entry.expires_hint:
        return False
    first = host.foreign_since if host.foreign == entry.fingerprint else None
    # Dead already when it was first seen: then there is only the one clock to go by.
    return first is None or now.boot - first.boot >= entry.expires_hint - first.wall


def _tokens_for(
    file: FilePlan,
    sink: SinkFacts,
    carriers: Carriers,
    released: frozenset[str],
    state: State,
    now: Instant,
    plan: Plan,
    wake: Wake,
) -> dict[str, Token]:
    tokens: dict[str, Token] = {}
    shadows = {} if sink.view is None else sink.view.shadows
    for host, registry in plan.registries.items():
        if host in shadows or not known(sink, host) or not carriers.carries(file, host, sink):
            continue
        if host not in released and carriers.waits(file, host, sink):
            continue
        judgement = judgement_of(state, sink, registry, now)
        if judgement is None or registry.grant is None:
            continue
        if judgement.until is not None:
            wake.wall(judgement.until)
        if judgement.verdict is not Verdict.WRITE and host not in released:
            continue
        if not _not_fought_over(sink, (host,), now, wake):
            continue
        token = state.grant(registry.grant.key).token
        if token is not None and token.auth is not None:
            tokens[host] = token
    return tokens


def _gathering(state: State, sink: SinkFacts, tokens: Mapping[str, Secret], now: Instant, wake: Wake) -> bool:
    """Return whether fresh tokens still wait for others of their batch, to share one rewrite; heals never do."""
    if state.gather_until is None or state.gather_until <= now.boot:
        return False
    if any(sink.host(host).spoiled for host in tokens):
        return False
    if all(facts.fetching is None for facts in state.grants.values()):
        return False
    wake.boot(state.gather_until)
    return True
