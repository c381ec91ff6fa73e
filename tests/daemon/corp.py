"""A house whose registries hang on one SSO session, and a person who signs in and out of it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from ecr_refreshd.core.model import Category, Failure, Login, Standing
from tests.household import HOST, File, HandClock, HandLookout, Household

LANE = "sso:corp"
COMMAND = "aws sso login --sso-session corp"
SECOND = "111122223333.dkr.ecr.us-west-2.amazonaws.com"
CONFIG = f"""
[[registry]]
host = "{HOST}"
profile = "dev"

[[registry]]
host = "{SECOND}"
profile = "dev"
"""
LIFE = timedelta(hours=12)
HOUR, MINUTE, SECOND_OF_TIME = timedelta(hours=1), timedelta(minutes=1), timedelta(seconds=1)


class Corp(Household):
    """A household that signs in; AWS gives tokens while the session lives."""

    def __init__(
        self,
        config: str = CONFIG,
        files: Mapping[str, File] | None = None,
        remembered: Mapping[str, object] | None = None,
        clock: HandClock | None = None,
        lookout: HandLookout | None = None,
    ) -> None:
        self.lives = True
        self.signed = 0
        clock, lookout = clock or HandClock(), lookout or HandLookout()
        lookout.logins.setdefault(LANE, self._login("the first", clock.wall + HOUR))
        super().__init__(config, files, self._answer, remembered, clock, lookout)
        self.lookout.said.standings["dev"] = Standing(
            login_backed=True, lane=LANE, sso_session="corp", login_command=COMMAND
        )

    def _answer(self, _order: object) -> timedelta | Failure:
        if self.lives:
            return LIFE
        return Failure(
            Category.LOGIN, "TokenRetrievalError", "The AWS login of profile dev has ended.", COMMAND
        )

    def _login(self, stamp: str, expires_at: datetime) -> Login:
        return Login(stamp, alive=True, expires_at=expires_at)

    def changes(self, login: Login) -> None:
        """Let a token file be written, as the watcher would see it."""
        self.lookout.logins[LANE] = login
        self.watcher.changed("/home/dev/.aws/sso")
        self.settle()
        self.live(SECOND_OF_TIME)

    def ends(self) -> None:
        """Let the session end: AWS refuses the refresh, and the file looks as if it could be refreshed."""
        self.lives = False

    def signs_in(self) -> None:
        """Let the person sign in, in some terminal."""
        self.lives = True
        self.signed += 1
        self.changes(self._login(f"login {self.signed}", self.clock.wall + HOUR))

    def refreshes(self) -> None:
        """Let somebody refresh the access token, as the CLI does with less than 15 minutes left."""
        self.signed += 1
        self.changes(self._login(f"refresh {self.signed}", self.clock.wall + HOUR))
