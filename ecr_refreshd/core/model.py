"""The values that all rooms share: who asks, for what, what came back, what stands in a file.

Everything here is frozen. Times are aware datetimes in UTC, durations are timedeltas; text is for the edges.
The words are those of the design: a *grant* is one principal x service x region x endpoint variant, served by
one AWS call whose token fits every registry of the grant.
"""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from ecr_refreshd.core.secret import Secret


class Category(StrEnum):
    """What a failure asks of whom: a person's login, an administrator, a settings edit, or only time."""

    LOGIN = "login"
    DENIED = "denied"
    CONFIG = "config"
    TRANSIENT = "transient"


class ChosenBy(StrEnum):
    """Which rule chose a registry's principal."""

    CONFIG = "config"
    ACCOUNT = "account"
    ENVIRONMENT = "environment"
    DEFAULT = "default"
    AMBIENT = "ambient"


@dataclass(frozen=True, slots=True, order=True)
class Principal:
    """Who asks AWS. `profile` "" is the ambient chain (environment, web identity, container, instance)."""

    profile: str
    role_arn: str = ""
    external_id: str = ""
    session_name: str = ""


@dataclass(frozen=True, slots=True, order=True)
class Grant:
    """One AWS call: its token serves every registry that shares it."""

    principal: Principal
    service: str
    region: str
    fips: bool = False
    dualstack: bool = False
    endpoint_url: str = ""

    @property
    def key(self) -> str:
        """Return the name people and the state file know it by; no two grants share one."""
        who = self.principal.profile or "(ambient)"
        if self.principal.role_arn:
            who += f"+{self.principal.role_arn}"
        for text in (self.principal.external_id, self.principal.session_name):
            if text:
                who += f"#{hashlib.sha256(text.encode()).hexdigest()[:6]}"
        variant = ("-fips" if self.fips else "") + ("-dualstack" if self.dualstack else "")
        where = f"@{self.endpoint_url}" if self.endpoint_url else ""
        return f"{who}/{self.service}{variant}/{self.region}{where}"


@dataclass(frozen=True, slots=True)
class Standing:
    """What the AWS files say about a principal without asking AWS.

    Attributes:
        login_backed: a person must renew it (SSO, `aws login`, credential_process, session keys, MFA).
        lane: grants of one lane share a one-time refresh token and are never asked for at once; "" if free.
        sso_session: name of the sso-session, or the start URL of a legacy SSO profile; "" if none.
        login_command: what a person runs to sign in again; "" when no command can help.
        process: the profile whose `credential_process` starts the chain of credentials; "" if none does. Profiles
            with the same command line share one name: they are one program, which may wait for one person.
        program: the name of that program, without its folder and arguments.
        code_lasts: seconds for which what an MFA code gives is good; 0 where none is asked for.
        is_configured: `login_command` is the user's own, from `[login] command`.
    """

    login_backed: bool = False
    lane: str = ""
    sso_session: str = ""
    login_command: str = ""
    process: str = ""
    program: str = ""
    code_lasts: int = 0
    is_configured: bool = False


@dataclass(frozen=True, slots=True)
class Failure:
    """Why something did not work, in words for people.

    Attributes:
        code: short and stable, such as ``SSOTokenLoadError`` or ``sink.unparsable``.
        message: what happened. Never holds a secret.
        hint: the whole advice in words, with the command in it; "" if only time helps.
        at: when it happened.
        throttled: AWS asked for fewer calls, so the pause starts longer.
        command: the part of the advice that can be pasted as it is; "" if there is none.
        cause: what strikes other grants alike: ``network:HOST``, ``certificate:HOST`` or ``clock``; "" where the
            failure is this grant's own.
        awaits_person: a `credential_process` may have opened a page or sent a push for this, so it is not started
            again before long.
    """

    category: Category
    code: str
    message: str
    hint: str = ""
    at: datetime | None = None
    throttled: bool = False
    command: str = ""
    cause: str = ""
    awaits_person: bool = False


def fingerprint(auth: str) -> str:
    """Return 12 hex digits of the SHA-256 of an ``auth`` text, its whitespace aside.

    A newline inside base64 is the same token to every reader, so it is the same token here.
    """
    # JSON may spell half of a surrogate pair, which UTF-8 does not know.
    return hashlib.sha256("".join(auth.split()).encode("utf-8", "surrogatepass")).hexdigest()[:12]


@dataclass(frozen=True, slots=True)
class Token:
    """An authorization token.

    Attributes:
        auth: the base64 of ``AWS:password`` as AWS returned it; None when only the state file remembers it.
        fingerprint: see `fingerprint`.
        obtained_at, expires_at: UTC; the end is always AWS's own statement.
        obtained_boot: the suspend-counting clock at that moment; None if in an earlier run.
    """

    auth: Secret | None
    fingerprint: str
    obtained_at: datetime
    expires_at: datetime
    obtained_boot: timedelta | None = None

    @property
    def life(self) -> timedelta:
        """Return the whole life AWS gave it."""
        return self.expires_at - self.obtained_at


@dataclass(frozen=True, slots=True)
class Instant:
    """Now, by both clocks: the wall clock (UTC), and one that cannot be set and that counts suspend."""

    wall: datetime
    boot: timedelta


class EntryKind(StrEnum):
    """What stands under one of our hosts in a file."""

    ABSENT = "absent"
    EMPTY = "empty"  # {} or null, or an entry without any credential: docker's marker after a helper login
    TOKEN = "token"  # user AWS and a password  # noqa: S105 - the word, not a secret
    UNDECODABLE = "undecodable"
    OTHER_USER = "other-user"
    IDENTITY = "identity"  # an identity token or registry token stands in it
    HELPER = "helper"  # its clients are sent to our credential helper, as they should be


@dataclass(frozen=True, slots=True)
class Entry:
    """What a client would find under one host in one file.

    Attributes:
        fingerprint: of the ``auth`` text; "" when there is none.
        expires_hint: the ``expiration`` inside an ECR password, a hint only (undocumented by AWS).
        auth: kept only where it may be needed to write the same token elsewhere.
        untidy: other forms of the host stand beside it (``https://host``), or fields that clients prefer.
    """

    kind: EntryKind
    fingerprint: str = ""
    expires_hint: datetime | None = None
    auth: Secret | None = None
    untidy: bool = False


ABSENT = Entry(EntryKind.ABSENT)


class SinkState(StrEnum):
    """How a registry stands in one sink, as status shows it."""

    WRITTEN = "written"
    FOREIGN = "foreign"
    SHADOWED = "shadowed"
    CONTESTED = "contested"
    UNPARSABLE = "unparsable"
    UNWRITABLE = "unwritable"
    PAUSED = "paused"
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class Refusal:
    """What our credential helper says of a host that cannot be served.

    Attributes:
        text: one line: what happened, what still works, what to run.
        until: for how long it may be believed without a service to renew it (UTC).
    """

    text: str
    until: datetime


@dataclass(frozen=True, slots=True)
class Owed:
    """What we took the place of in a file, to be given back when it is done with.

    Attributes:
        store: was named in the file by us, "" if none was.
        helpers: host -> the program whose line gave way to ours ("": a line that sends docker to the file's
            entries), None where ours is the first.
    """

    store: str = ""
    helpers: dict[str, str | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ServedElsewhere:
    """A host for which the program that docker asks in place of us has a credential that works.

    Attributes:
        program: its name, such as ``docker-credential-ecr-login``.
        until: when its credential ends, as that says itself (UTC); None if it does not.
        at: when it was asked (UTC).
    """

    program: str
    until: datetime | None
    at: datetime

    def holds(self, now: datetime) -> bool:
        """Return whether its credential has not ended."""
        return self.until is None or now < self.until


@dataclass(frozen=True, slots=True)
class View:
    """One look at one file.

    Attributes:
        entries: what stands under each host that was asked about.
        shadows: host -> why nothing is written for it there (``credHelpers`` names another program).
        served: those of `shadows` for which the program that docker asks instead has a working credential.
        asking: those of `shadows` for which that program has not answered yet.
        unread: host -> why docker does not read what is written for it there.
        undecodable: why docker decodes no login of the file (a value of a wrong type), "" if it does.
        helped: those asked about whose clients are to be sent to our credential helper.
        both: those of `helped` whose token stands in the file too.
        spare: those of `helped` that only a line of ours, and nothing else, makes so.
        stored: those asked about whose token belongs into a credential store instead of the file.
        lines: every host whose clients the file sends to our helper; in the helper's folder: that has an answer.
        store: the credential store that the file names, "" if it names none.
        lonely: no entry stands there, and no line but ours: without that store and our lines docker would look
            for a keychain by itself.
        mode: how the user wants the file's clients served; what it means for an entry changes with it.
        refusals: in the helper's folder, the answers that are refusals.
        failures: host -> why its token could not be brought or cannot be seen, where others of this file's could.
        owed: what writes of ours took the place of.
        ecr_hosts: every ECR host that stands in the file under ``auths`` or ``credHelpers``, for adoption.
        exists: the file is there (an empty one counts as there).
        notes: sentences for status ("mode narrowed from 0644 to 0600").
        rest: a digest of all that stands there beside these hosts' entries, however it is laid out: equal ones
            before and after an entry vanished mean that only it did, as after a `docker logout`.
    """

    entries: dict[str, Entry] = field(default_factory=dict)
    shadows: dict[str, str] = field(default_factory=dict)
    served: dict[str, ServedElsewhere] = field(default_factory=dict)
    asking: frozenset[str] = frozenset()
    unread: dict[str, str] = field(default_factory=dict)
    helped: frozenset[str] = frozenset()
    both: frozenset[str] = frozenset()
    spare: frozenset[str] = frozenset()
    stored: frozenset[str] = frozenset()
    lines: frozenset[str] = frozenset()
    store: str = ""
    lonely: bool = False
    mode: str = ""
    refusals: dict[str, Refusal] = field(default_factory=dict)
    failures: dict[str, Failure] = field(default_factory=dict)
    owed: Owed = field(default_factory=Owed)
    ecr_hosts: tuple[str, ...] = ()
    exists: bool = True
    notes: tuple[str, ...] = ()
    rest: str = ""
    undecodable: str = ""


def expiry_hint(auth: str) -> datetime | None:
    """Return the expiry that an ECR password carries, or None.

    The password is base64 of JSON with a unix ``expiration``; the format is undocumented, so the answer is a
    hint for tokens that we did not obtain ourselves, never trusted alone.
    """
    try:
        _user, _, password = base64.b64decode(auth, validate=False).decode().partition(":")
        document = json.loads(base64.b64decode(password + "=" * (-len(password) % 4), validate=False))
        return datetime.fromtimestamp(int(document["expiration"]), UTC)
    except (ValueError, TypeError, KeyError, OverflowError, OSError, RecursionError):
        return None


@dataclass(frozen=True, slots=True)
class Choice:
    """A principal that could serve a registry, and the rule that proposes it.

    Attributes:
        fits: its account is the registry's, as far as is known; False for those that are tried across accounts.
        other_account: its account is known to be another than the registry's.
        own_account: its account is known to be the registry's, or any account will do.
        variable: the environment variable that names it, "" if none does.
    """

    principal: Principal
    chosen_by: ChosenBy
    fits: bool = True
    other_account: bool = False
    own_account: bool = False
    variable: str = ""


@dataclass(frozen=True, slots=True)
class Login:
    """What lies on the disk of one login, without asking AWS (aws.md 2.4): an SSO session's, or an `aws login`'s.

    Attributes:
        stamp: 12 hex digits; others when another login or a refreshed token lies there, "" when none does.
        alive: asking AWS may succeed; False when nothing is there that is in the future or can be refreshed.
        refreshes: a mere refresh changes the stamp too.
        expires_at: when the access token ends (UTC), None if unknown.
        ends_at: when the login ends for good (UTC), None where the disk does not tell.
        torn: the file is there but is not whole just now; its writer may be at work.
    """

    stamp: str = ""
    alive: bool = False
    refreshes: bool = True
    expires_at: datetime | None = None
    ends_at: datetime | None = None
    torn: bool = False


@dataclass(frozen=True, slots=True)
class Complaint:
    """What the service does less well than it should, as `status` lists it under ``degraded``.

    Attributes:
        code: short and stable, such as ``config.invalid``; code that reacts to a complaint compares this.
        message: what is wrong, in one or two sentences. Never holds a secret.
        command: what helps, to be pasted as it is; "" if no command does.
    """

    code: str
    message: str
    command: str = ""


@dataclass(frozen=True, slots=True)
class Notice:
    """What a person is told, unasked.

    Attributes:
        key: one cause has one key, for as long as it lasts.
        title, body: what happened; what still works, and until when.
        since: when it began (UTC).
        command: what helps; "" if nothing can be run.
        sign_in: the command signs in to AWS and may be started for the person by a button.
        refreshes: the registries to be renewed once it has ended, since no file shows that it succeeded.
    """

    key: str
    title: str
    body: str
    since: datetime
    command: str = ""
    sign_in: bool = False
    refreshes: tuple[str, ...] = ()
