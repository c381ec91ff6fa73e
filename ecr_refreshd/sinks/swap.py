"""The system calls that Python has no name for: exchange two files, put one where none is, see who writes.

Linux has ``renameat2`` (3.15, glibc 2.28), macOS ``renamex_np`` (10.12). The macOS half follows its manual page
and was never run on a Mac.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import platform
import signal
import sys

from ecr_refreshd.sinks.waits import attempts

_AT_FDCWD = -100
_NOREPLACE, _EXCHANGE = 1, 2  # linux/fs.h RENAME_*
_SWAP, _EXCL = 2, 4  # sys/stdio.h RENAME_*
_SYS_RENAMEAT2 = {"x86_64": 316, "aarch64": 276}
_F_SETSIG = 10  # fcntl.h, Linux

UNSUPPORTED = frozenset({errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP})
"""What a file system says that cannot exchange (NFS, 9p, FUSE; all others tried can)."""

_libc = ctypes.CDLL(None, use_errno=True)


def exchange(one: bytes, other: bytes) -> None:
    """Let two existing files change places, at once for every reader.

    Raises:
        OSError: with `errno` in `UNSUPPORTED` where the system cannot; EBUSY or EXDEV for a mounted file.
    """
    _rename(one, other, _SWAP if sys.platform == "darwin" else _EXCHANGE)


def move_to_free_name(source: bytes, target: bytes) -> None:
    """Rename a file to a name that must be free.

    Raises:
        FileExistsError: it is not.
        OSError: as for `exchange`.
    """
    _rename(source, target, _EXCL if sys.platform == "darwin" else _NOREPLACE)


def _rename(source: bytes, target: bytes, flags: int) -> None:
    ctypes.set_errno(errno.ENOSYS)
    if sys.platform == "darwin":
        failed = _libc.renamex_np(source, target, flags) if hasattr(_libc, "renamex_np") else -1
    elif hasattr(_libc, "renameat2"):
        failed = _libc.renameat2(_AT_FDCWD, source, _AT_FDCWD, target, flags)
    elif platform.machine() in _SYS_RENAMEAT2:
        number = _SYS_RENAMEAT2[platform.machine()]
        failed = _libc.syscall(ctypes.c_long(number), _AT_FDCWD, source, _AT_FDCWD, target, flags)
    else:
        failed = -1
    if failed:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


def wait_for_writers(descriptor: int, patience: float) -> bool:
    """Wait until nobody has a file open for writing.

    A read lease is granted only then (fcntl(2)); it is given back at once. Where there are no leases (macOS, NFS,
    another's file) the answer is True: nothing better is known.

    Args:
        descriptor: the file, open for reading.
        patience: seconds.

    Returns:
        False if somebody still had it open for writing at the end.
    """
    if not hasattr(fcntl, "F_SETLEASE"):
        return True
    # Whoever opens the file while we hold the lease makes the kernel send us a signal, by default SIGIO, which
    # ends a process; SIGURG is ignored unless somebody asks for it.
    fcntl.fcntl(descriptor, _F_SETSIG, signal.SIGURG)
    return any(_unwritten(descriptor) for _ in attempts(patience, every=0.002))


def _unwritten(descriptor: int) -> bool:
    try:
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
    except OSError as exc:
        return exc.errno != errno.EAGAIN
    fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    return True
