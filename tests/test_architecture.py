"""The house keeps its arrows: who may import whom, who may see a secret, and what start-up must not load.

Each rule has its reason beside it, in the manner of tailscale's dependency tests.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import ecr_refreshd

PACKAGE = Path(ecr_refreshd.__file__).parent
MODULES = {
    ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted(PACKAGE.rglob("*.py"))
}

IMPURE = {
    "os",
    "time",
    "socket",
    "threading",
    "random",
    "subprocess",
    "logging",
    "pathlib",
    "queue",
    "signal",
}

# The loop's room has no folder of its own.
LOOP = ("daemon", "lanes", "servicestatus", "surroundings", "waits")

# room -> {what it may not import: why}
FORBIDDEN = {
    "ecr_refreshd.core": {
        **dict.fromkeys(IMPURE, "the core is pure: time, chance and bytes come in as arguments"),
        **{
            f"ecr_refreshd.{room}": "the core decides; it knows nobody who acts"
            for room in ("aws", "sinks", "notify", "host", *LOOP, "cli")
        },
    },
    "ecr_refreshd.osutil": {
        f"ecr_refreshd.{room}": "it serves every adapter, and knows nothing of what they are about"
        for room in ("aws", "sinks", "notify", "host", *LOOP, "cli")
    },
    **{
        f"ecr_refreshd.{module}": {
            f"ecr_refreshd.{room}": "the loop is given its adapters, so that a test can give it others"
            for room in ("aws", "sinks", "notify", "host", "cli")
        }
        for module in LOOP
    },
    **{
        f"ecr_refreshd.{room}": {
            f"ecr_refreshd.{other}": "adapters know the core, not each other, not who uses them"
            for other in ("aws", "sinks", "notify", "host", *LOOP, "cli")
            if other != room
        }
        for room in ("aws", "sinks", "notify", "host")
    },
}

# what only these modules may import, and why
ONLY_IN = {
    "boto3": (
        "ecr_refreshd.aws.",
        "it lives in the child: 20 MiB and every stale session stay out of the service",
    ),
    "botocore": ("ecr_refreshd.aws.", "same"),
    "apscheduler": ("ecr_refreshd.host.alarms", "it is an alarm clock behind one port"),
    "watchdog": ("ecr_refreshd.host.watch", "it is a hint behind one port"),
    "jeepney": (
        "ecr_refreshd.notify.desktop_child",
        "it speaks D-Bus in a child: the service stays small, and a bus that hangs hangs nobody",
    ),
    "structlog": ("ecr_refreshd.host.logs", "redaction holds only if there is one way to log"),
}

# Where a secret may be uncovered: only where a reader, or the AWS answer's own form, needs the text.
REVEALS = {
    "ecr_refreshd.aws.frames",  # to the child that asks
    "ecr_refreshd.aws.programs",  # to botocore
    "ecr_refreshd.aws.probing",
    "ecr_refreshd.cli.refresh",  # to the service, by its socket
    "ecr_refreshd.core.dockerconfig",
    "ecr_refreshd.core.helperanswer",  # what docker is told on stdout
    "ecr_refreshd.host.logs",
    "ecr_refreshd.notify.webhook",
    "ecr_refreshd.sinks.program",  # a credential store is given the password on stdin
}


def imports(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute, so that a reader sees the arrow"
            names.add(node.module or "")
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    return names


def within(name: str, room: str) -> bool:
    return name == room or name.startswith(room + ".")


@pytest.mark.parametrize("module", MODULES)
def test_imports_run_one_way(module: str) -> None:
    """From cli to daemon to core; adapters know core, not each other."""
    names = imports(MODULES[module])
    for room, forbidden in FORBIDDEN.items():
        if within(module, room):
            for name, why in forbidden.items():
                found = [each for each in names if within(each, name)]
                assert not found, f"{module} imports {found}: {why}"


@pytest.mark.parametrize("library", ONLY_IN)
def test_a_library_is_imported_in_one_room(library: str) -> None:
    """A dependency stands behind one port, so it can be replaced, and watched."""
    room, why = ONLY_IN[library]
    users = [m for m, path in MODULES.items() if any(within(n, library) for n in imports(path))]
    strangers = [m for m in users if not m.startswith(room)]
    assert users, f"nobody imports {library} any more: drop the rule and the dependency"
    assert not strangers, f"{strangers} import {library}: {why}"


def test_secrets_are_revealed_in_few_named_places() -> None:
    """Promise 6: whoever calls reveal() is on the list, and whoever is on the list still does."""
    users = {
        module
        for module, path in MODULES.items()
        if any(
            isinstance(node, ast.Attribute) and node.attr == "reveal"
            for node in ast.walk(ast.parse(path.read_text()))
        )
    }
    assert users == REVEALS


def test_clocks_are_read_in_one_place() -> None:
    """Time is an argument everywhere else; a child measures its own deadlines."""
    readers = set()
    for module, path in MODULES.items():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in {
                "datetime.now",
                "datetime.utcnow",
                "time.time",
                "time.sleep",
            }:
                readers.add(module)
    assert readers <= {
        "ecr_refreshd.host.clock",
        "ecr_refreshd.aws.child",
        "ecr_refreshd.aws.answers",
        "ecr_refreshd.sinks.waits",
    }


@pytest.mark.parametrize("module", ["ecr_refreshd.cli.status", "ecr_refreshd.cli"])
def test_quick_commands_load_nothing_heavy(module: str) -> None:
    """`status` is run in prompts and loops: it starts without the service's libraries."""
    code = (
        f"import sys, {module}\n"
        "heavy = {'boto3', 'botocore', 'apscheduler', 'watchdog', 'structlog'} & set(sys.modules)\n"
        "sys.exit(', '.join(sorted(heavy)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_every_module_says_what_it_is_for() -> None:
    """A room's first sentence is its job."""
    silent = [m for m, path in MODULES.items() if not ast.get_docstring(ast.parse(path.read_text()))]
    assert not silent
