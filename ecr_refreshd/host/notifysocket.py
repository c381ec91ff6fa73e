"""Tells systemd how we are: ready, reloading, stopping, alive (sd_notify(3), in a datagram).

Rules: without NOTIFY_SOCKET nothing happens; nothing that goes wrong here may disturb the service. The variable
is taken out of the environment, so that no child can speak for us.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import MutableMapping
from contextlib import suppress


class NotifySocket:
    """The way to the service manager, if there is one."""

    def __init__(self, environ: MutableMapping[str, str] = os.environ) -> None:
        address = environ.pop("NOTIFY_SOCKET", "")
        # "@name" is an abstract socket; "vsock:…" is for whole machines, and nobody starts us that way.
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self._there = address.startswith(("/", "@"))

    def tell(self, state: str) -> None:
        r"""Send lines such as ``READY=1``, ``STATUS=3 registries`` or ``WATCHDOG=1``, joined by ``\n``."""
        if not self._there:
            return
        if state == "RELOADING=1":
            # Until READY=1. Without the time it began, a reload under Type=notify-reload hangs (reliability 5.1).
            state += f"\nMONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}"
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.setblocking(False)  # noqa: FBT003 - the standard library's own signature
            sender.sendto(state.encode(), self._address)
