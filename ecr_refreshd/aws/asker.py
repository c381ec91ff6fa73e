"""For whom AWS was asked, as far as the words for people need it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from ecr_refreshd.aws.ini import Problem
from ecr_refreshd.aws.trust import Trust
from ecr_refreshd.core.model import Category, Principal, Standing
from ecr_refreshd.core.remedies import Remedy
from ecr_refreshd.core.remedies import aws as remedies


@dataclass(frozen=True, slots=True)
class Asker:
    """For whom, and what had happened until it failed.

    Attributes:
        method: botocore's name for where the credentials came from; "" if none came.
        ran_program: a credential_process was run.
        profiles: the profiles there are, for a misspelt one.
        mistake: what stands wrong in the files on the principal's way to its credentials, if anything.
        metadata: what each request to the instance's metadata service met (``token``, ``roles``,
            ``credentials``): an HTTP status, ``timeout`` or ``connection``; ``refused`` is what it said in words.
        trust: whom the child trusts, where a certificate was not.
        bundle_fault: which file of trusted certificates cannot be used, and why; "" if none is named or it can.
        has_machine_role: where the profile has no credentials, a container or an instance should give them.
    """

    principal: Principal
    standing: Standing
    service: str
    region: str
    method: str = ""
    ran_program: bool = False
    profiles: tuple[str, ...] = ()
    mistake: Problem | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    trust: Trust | None = None
    bundle_fault: str = ""
    has_machine_role: bool = False

    @property
    def ambient(self) -> bool:
        """Return whether it is the ambient chain."""
        return not self.principal.profile

    @property
    def name(self) -> str:
        """Return what people call it."""
        return "the ambient credentials" if self.ambient else f'profile "{self.principal.profile}"'

    @property
    def correction(self) -> Remedy:
        """Return where what it is made of is corrected."""
        return remedies.correct_environment() if self.ambient else remedies.correct_files()

    @property
    def sign_in(self) -> Remedy:
        """Return how a person signs in again."""
        return remedies.sign_in(self.standing)


def sentence(text: str) -> str:
    """Return a text as a sentence of its own."""
    text = text[:1].upper() + text[1:]
    return text if text.endswith((".", "…", "!", "?")) else f"{text}."


Judged = tuple[Category, str, Remedy]
"""The category of a failure, what happened, and what helps."""
Row = Callable[[BaseException, Asker], Judged]
"""From an exception and its circumstances to what is to be said of it."""
