"""For whom AWS was asked, as far as the words for people need it."""

from __future__ import annotations

from dataclasses import dataclass

from ecr_refreshd.core.model import Principal, Standing
from ecr_refreshd.core.remedies.aws import sign_in


@dataclass(frozen=True, slots=True)
class Asker:
    """For whom, and what had happened until it failed.

    Attributes:
        method: botocore's name for where the credentials came from; "" if none came.
        ran_program: a credential_process was run.
        profiles: the profiles there are, for a misspelt one.
        has_machine_role: where the profile has no credentials, a container or an instance should give them.
    """

    principal: Principal
    standing: Standing
    service: str
    region: str
    method: str = ""
    ran_program: bool = False
    profiles: tuple[str, ...] = ()
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
    def edit_hint(self) -> str:
        """Return where what it is made of is corrected."""
        if self.ambient:
            return "Correct the environment of the service, and start it again."
        return "Correct the files in ~/.aws; they are read again when they change."

    @property
    def login_hint(self) -> str:
        """Return what a person does to sign in again."""
        return sign_in(self.standing).hint

    @property
    def login_command(self) -> str:
        """Return the part of it that can be pasted; "" if there is none."""
        return sign_in(self.standing).command


def sentence(text: str) -> str:
    """Return a text as a sentence of its own."""
    text = text[:1].upper() + text[1:]
    return text if text.endswith((".", "…", "!", "?")) else f"{text}."
