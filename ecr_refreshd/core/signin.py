"""Which of the user's own commands (`[login] command`) signs in to a principal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from ecr_refreshd.core.model import Principal, Standing


def configured(standing: Standing, principal: Principal, commands: Mapping[str, str]) -> Standing:
    """Return the standing with the user's own sign-in command, where one is configured for it.

    Args:
        standing: what the AWS files say of the principal.
        principal: who asks AWS.
        commands: `[login] command`. The profile's own name comes first, then its SSO session, then the profile
            whose `credential_process` it begins at, then the name of that program.
    """
    if not standing.login_backed:
        return standing
    for name in (principal.profile, standing.sso_session, standing.process, standing.program):
        if name and name in commands:
            return replace(standing, login_command=commands[name], is_configured=True)
    return standing
