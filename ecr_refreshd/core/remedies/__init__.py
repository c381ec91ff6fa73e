"""Every command that is shown to a person, made in one place from facts that were established first.

A function here takes what its command rests on (the owner of a path, the profile's name, a file's own key) as
arguments, so that no command can be made from a guess. Its docstring says what must have been established, and
what the command changes. Rules:

* A path below ``$HOME`` is the user's only if HOME is theirs: the passwd entry names it, or they own it.
* Owner, mode, place or content of something that may be another user's is never changed by a shown command; the
  words then say whose it is. No recursive ``chown`` but of the state folder.
* Where a variable names the wrong thing, the variable is corrected, never the thing.
* A command can be pasted as it is: quoted by `shlex.quote`, words for people apart from it.

No other module spells a command for people. `tests/test_remedies.py` follows each function here.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Remedy:
    """Advice: words for people, and commands that can be pasted as they are.

    Attributes:
        words: what to do and why, as a sentence, or an introduction that ends in a colon; "" where the command
            says it all.
        command: for a shell, one line for each; "" where only an edit or another person helps.
    """

    words: str = ""
    command: str = ""

    @classmethod
    def of(cls, hint: str, command: str) -> Remedy:
        """Return the advice that a document or an error holds as one text, and as its command."""
        words = hint.removesuffix(command).strip() if command else hint
        return cls(words, command)

    @property
    def hint(self) -> str:
        """Return the whole advice as one text, for documents that have one field for it."""
        return f"{self.words} {self.command}".strip()

    @property
    def page(self) -> str:
        """Return the advice for a page: the words in the first line, a command in each further one."""
        if not self.words or not self.command:
            return self.words or self.command
        words = self.words if self.words.endswith(":") else f"{self.words.rstrip('.')}:"
        return f"{words}\n{self.command}"

    def then(self, *commands: str) -> Remedy:
        """Return this advice, followed by further commands."""
        command = "\n".join(filter(None, [self.command, *commands]))
        if self.command or not commands:
            return Remedy(self.words, command)
        return Remedy(f"{self.words.rstrip('.:')}, then:" if self.words else "", command)


NO_REMEDY = Remedy()
"""Where nothing needs to be done, or nothing is known that helps."""
