"""Commands for people are spelt in one place, `core.remedies`, from facts that were established first."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import ecr_refreshd

PACKAGE = Path(ecr_refreshd.__file__).parent

_OURS = (
    "add|config|doctor|ensure|explain|help|init|login|pause|purge|refresh|remove|resume|run|service|status|"
    "version"
)
_COMMAND = re.compile(
    r"(?:^|: |\n|`|-> |→ )(?:sudo |"
    r"(?:chown|chmod|mv|mkdir|rm|rmdir|ln|export|unset|kill|chattr|chflags|df|lsattr|ls|mount|tee|curl|sed) "
    r"[-\w~/{$\"']|"
    r"(?:systemctl|loginctl|journalctl|launchctl|timedatectl|security|secret-tool|brew|gpg|pipx?|apt) |"
    r"pass (?:init|show) |git (?:add|-C|rm) |"
    r"aws (?:configure|sso|sts|login|account|ecr) ?|(?:docker|podman|skopeo) (?:login|logout|context|--config) |"
    rf"ecr-refreshd (?:{_OURS})\b)"
)

ALLOWED = {
    "cli/arguments.py": "examples of the help text",
    "cli/manual.py": "the help text, and its first steps",
    "core/clients/families.py": "names of clients",
}
PENDING = {
    "aws/classify.py": 1,
    "cli/awscli.py": 1,
    "cli/credential.py": 1,
    "cli/doctor/__init__.py": 1,
    "cli/doctor/aws.py": 4,
    "cli/doctor/notices.py": 1,
    "cli/doctor/page.py": 1,
    "cli/login.py": 3,
    "cli/run.py": 1,
    "cli/suggestions.py": 1,
    "cli/table.py": 1,
    "core/clients/docker.py": 1,
    "core/draft.py": 2,
    "core/notices.py": 1,
    "core/refusing.py": 1,
    "host/control.py": 1,
    "sinks/ailments.py": 6,
    "sinks/dockerfile.py": 1,
}
"""Module -> how many are still spelt in it; it may only shrink."""


def spelt(path: Path) -> Iterator[str]:
    """Yield the texts of a module that spell a command; docstrings are for its readers."""
    tree = ast.parse(path.read_text())
    parts: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            parts.add(id(node.value))
        if isinstance(node, ast.JoinedStr):
            parts |= {id(each) for each in node.values}
    for node in ast.walk(tree):
        text = ""
        if isinstance(node, ast.JoinedStr):
            text = "".join(str(e.value) if isinstance(e, ast.Constant) else "{}" for e in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in parts:
            text = node.value
        if _COMMAND.search(text):
            yield text


def test_commands_are_spelt_in_one_place() -> None:
    """What rests on no established fact cannot be shown: whoever needs a command takes it from there."""
    found: dict[str, list[str]] = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        name = str(path.relative_to(PACKAGE))
        texts = [] if name in ALLOWED or name.startswith("core/remedies/") else list(spelt(path))
        if len(texts) != PENDING.get(name, 0):
            found[name] = texts
    assert not found, f"make these in core/remedies, and correct PENDING: {found}"
