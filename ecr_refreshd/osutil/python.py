"""Build the command line that runs a module of this package in a Python of its own, however it was installed.

Python's isolated mode keeps out PYTHON variables and the current folder. It also leaves out where
``pip install --target``, PYTHONPATH and zipapps put a package; such a child is given this process's own path.
"""

from __future__ import annotations

import os
import site
import sys
from pathlib import Path

import ecr_refreshd

_WITH_PATH = (
    "import os, runpy, sys; module, path = sys.argv[1:3]; sys.path[:] = path.split(os.pathsep); "
    "sys.argv[1:3] = []; runpy.run_module(module, run_name='__main__', alter_sys=True)"
)


def module_command(module: str, *, user_site: bool) -> list[str]:
    """Return the command line that runs a module.

    Args:
        module: its full name; it finds its own arguments in ``sys.argv[1:]``.
        user_site: this package is installed for one user only.
    """
    if user_site:
        return [sys.executable, "-E", "-P", "-m", module]
    if _is_installed():
        return [sys.executable, "-I", "-m", module]
    # Absolute: a zipapp's own entry may be relative, and the child may be started elsewhere.
    path = os.pathsep.join(os.path.abspath(each) for each in sys.path if each)  # noqa: PTH100 - may name a zip
    return [sys.executable, "-I", "-c", _WITH_PATH, module, path]


def _is_installed() -> bool:
    """Return whether Python's isolated mode finds this package, as it does where pip puts it by default."""
    root = Path(os.path.abspath(ecr_refreshd.__file__)).parents[1]  # noqa: PTH100 - __file__ may be relative
    return any(root.resolve() == Path(each).resolve() for each in site.getsitepackages())
