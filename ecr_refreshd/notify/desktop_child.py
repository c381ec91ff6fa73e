"""Speaks to the desktop's notification server for the service: one request a line on stdin, one answer on stdout.

It waits for buttons, asleep. It ends when no button is left, when its stdin ends, or after half an hour without
a request.
"""

from __future__ import annotations

import html
import json
import os
import select
import time
from collections import deque
from contextlib import suppress
from typing import Any

from jeepney import DBusAddress, HeaderFields, MatchRule, Message, message_bus, new_method_call
from jeepney.io.blocking import DBusConnection, open_dbus_connection
from jeepney.wrappers import DBusErrorResponse, unwrap_msg

_SERVER = DBusAddress(
    "/org/freedesktop/Notifications", "org.freedesktop.Notifications", "org.freedesktop.Notifications"
)
_CALL = 3.0
"""Seconds: a server that the bus has to start first may never come up."""
_LIVES = 1800.0
_BUTTON = "sign-in"
_STAYS, _SERVERS_OWN = 0, -1


class Server:
    """The notification server, and which of its notices have a button of ours."""

    def __init__(self, bus: DBusConnection) -> None:
        self._bus = bus
        self._keys: dict[int, str] = {}
        self._capabilities: frozenset[str] | None = None
        # What comes while an answer is awaited would be lost without a filter (jeepney send_and_get_reply).
        self._between: deque[Message] = deque()
        for signal in ("ActionInvoked", "NotificationClosed"):
            rule = MatchRule(
                type="signal", interface=_SERVER.interface, member=signal, path=_SERVER.object_path
            )
            self._bus.filter(rule, queue=self._between)
            unwrap_msg(self._bus.send_and_get_reply(message_bus.AddMatch(rule), timeout=_CALL))
        (self._bus_id,) = unwrap_msg(self._bus.send_and_get_reply(message_bus.GetId(), timeout=_CALL))

    def show(self, request: dict[str, Any]) -> str:
        """Show a notice, in the place of an earlier one if it is still there; return its place."""
        can = self._can()
        body = html.escape(request["body"], quote=False) if "body-markup" in can else request["body"]
        buttons = [_BUTTON, "Sign in"] if request["button"] and "actions" in can else []
        hints = {"urgency": ("y", 2 if request["event"] == "reminded" else 1)}
        timeout = _STAYS if request["button"] else _SERVERS_OWN
        wanted = (
            "ecr-refreshd",
            self._number(request["place"]),
            "dialog-password",
            request["title"],
            body,
            buttons,
            hints,
            timeout,
        )
        (number,) = self._call("Notify", "susssasa{sv}i", wanted)
        if buttons:
            self._keys[number] = request["key"]
        return f"{self._bus_id} {self._owner()} {number}"

    @property
    def waits(self) -> bool:
        """Return whether there is a button that may still be pressed."""
        return bool(self._keys)

    def _number(self, place: str) -> int:
        """Return the number of a notice, 0 if it is not this server's: it may be somebody else's by now."""
        bus, owner, number = place.split(" ") if place.count(" ") == 2 else ("", "", "0")
        ours = bus == self._bus_id and owner == self._owner()
        return int(number) if ours and number.isdigit() else 0

    def _owner(self) -> str:
        """Return which program on the bus is the server just now, "" if none is."""
        try:
            reply = self._bus.send_and_get_reply(message_bus.GetNameOwner(_SERVER.bus_name), timeout=_CALL)
            (name,) = unwrap_msg(reply)
        except DBusErrorResponse:
            return ""
        return str(name)

    def close(self, place: str) -> None:
        """Take a notice back."""
        number = self._number(place)
        if not number:
            return
        self._keys.pop(number, None)
        with suppress(DBusErrorResponse):  # the person has closed it already
            self._call("CloseNotification", "u", (number,))

    def answers(self) -> None:
        """Ask the server what it can; the bus may start it for that. Raises DBusErrorResponse, OSError."""
        self._capabilities = None
        self._can()

    def pressed(self, message: Message) -> str:
        """Return the key of the notice whose button a message says was pressed, "" if it says something else."""
        member = message.header.fields.get(HeaderFields.member)
        if member == "NotificationClosed":
            self._keys.pop(message.body[0], None)
        if member == "ActionInvoked" and message.body[1] == _BUTTON:
            return self._keys.get(message.body[0], "")
        return ""

    def missed(self) -> list[str]:
        """Return the keys of the notices whose button was pressed while an answer was awaited."""
        messages = list(self._between)
        self._between.clear()
        return [key for message in messages if (key := self.pressed(message))]

    def _can(self) -> frozenset[str]:
        if self._capabilities is None:
            (names,) = self._call("GetCapabilities", "", ())
            self._capabilities = frozenset(names)
        return self._capabilities

    def _call(self, method: str, signature: str, body: tuple[Any, ...]) -> tuple[Any, ...]:
        message = new_method_call(_SERVER, method, signature or None, body)
        answer: tuple[Any, ...] = unwrap_msg(self._bus.send_and_get_reply(message, timeout=_CALL))
        return answer


def main() -> None:
    """Answer until there is nothing more to answer."""
    try:
        bus = open_dbus_connection(bus="SESSION")
        server = Server(bus)
    except (OSError, KeyError, DBusErrorResponse) as error:
        _say({"problem": _words(error)})
        return
    pending = b""
    until = time.monotonic() + _LIVES
    asked = False
    while (server.waits or pending or not asked) and (left := until - time.monotonic()) > 0:
        readable, _, _ = select.select([0, bus.sock], [], [], left)
        if bus.sock in readable and not _hear(bus, server):
            return
        if 0 in readable:
            data = os.read(0, 65536)
            if not data:
                return
            *lines, pending = (pending + data).split(b"\n")
            for line in lines:
                _say(_answer(server, json.loads(line)))
                for key in server.missed():
                    _say({"pressed": key})
                asked = True
                until = time.monotonic() + _LIVES


def _hear(bus: DBusConnection, server: Server) -> bool:
    """Take in what the bus says; False once it is gone."""
    try:
        while True:
            key = server.pressed(bus.receive(timeout=0))
            if key:
                _say({"pressed": key})
    except TimeoutError:
        return True
    except OSError:
        return False


def _answer(server: Server, request: dict[str, Any]) -> dict[str, Any]:
    try:
        if request["event"] == "asked":
            server.answers()
            return {"place": ""}
        if request["event"] == "withdrawn":
            server.close(request["place"])
            return {"place": ""}
        return {"place": server.show(request)}
    except (OSError, DBusErrorResponse) as error:
        return {"problem": _words(error)}


def _words(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "its notification service does not answer"
    if isinstance(error, DBusErrorResponse):
        return "it has no notification service"
    return "its session bus cannot be reached"


def _say(answer: dict[str, Any]) -> None:
    os.write(1, json.dumps(answer).encode() + b"\n")


if __name__ == "__main__":
    main()
