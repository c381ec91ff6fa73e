"""What the service does not load, and that whoever wants it still gets it."""

from __future__ import annotations

import subprocess
import sys


def run(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


ADAPTERS = "import sys, ecr_refreshd.host.logs, ecr_refreshd.host.alarms, ecr_refreshd.host.watch\n"


def test_the_services_libraries_come_without_asyncio() -> None:
    """Goal of DESIGN 11: 32 MiB; asyncio and ssl behind it are 2.6 of them."""
    code = (
        ADAPTERS + "print([name for name in sys.modules if name.split('.')[0] in ('asyncio', 'ssl', 'rich')])"
    )
    assert run(code) == "[]\n"


def test_whoever_wants_asyncio_afterwards_has_the_real_one() -> None:
    code = ADAPTERS + (
        "import asyncio, asyncio.subprocess\n"
        "async def main(): await asyncio.sleep(0); return 'ran'\n"
        "print(asyncio.run(main()), sys.modules['asyncio'] is asyncio)"
    )
    assert run(code) == "ran True\n"


def test_a_library_that_uses_more_of_it_gets_the_real_one() -> None:
    """The next version of a library may use asyncio at import; that must work, only dearer."""
    code = (
        "import sys\n"
        "from ecr_refreshd.host.lean import lean\n"
        "with lean():\n"
        "    import asyncio\n"
        "    assert asyncio.Queue.__module__ == 'asyncio.queues'\n"
        "    from asyncio.locks import Lock\n"
        "    import asyncio as again\n"
        "print(again.Lock is Lock, sys.modules['asyncio'] is again)"
    )
    assert run(code) == "True True\n"


def test_submodules_can_be_imported_meanwhile() -> None:
    code = (
        "from ecr_refreshd.host.lean import lean\n"
        "with lean():\n"
        "    from asyncio.locks import Lock\n"
        "import asyncio\n"
        "print(asyncio.Lock is Lock)"
    )
    assert run(code) == "True\n"


def test_what_was_loaded_before_stays() -> None:
    code = (
        "import asyncio, sys\n"
        "from ecr_refreshd.host.lean import lean\n"
        "with lean():\n"
        "    assert sys.modules['asyncio'] is asyncio\n"
        "print(sys.modules['asyncio'] is asyncio, 'rich' in sys.modules)"
    )
    assert run(code) == "True False\n"
