"""Promise 2, the person knows: a real notification server shows the notice, its button, and its withdrawal."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ecr_refreshd.core.events import SignInAsked
from ecr_refreshd.notify import desktop as desktop_module
from tests.needs import need
from tests.notify.heralding import Heralding, notice
from tests.world.desktop import PACKAGES, Bus, Desktop, missing, until
from tests.world.processes import children

ARTEFACTS = Path(os.environ.get("ARTEFACTS", "artefacts"))
"""Where CI keeps the pictures."""


@pytest.fixture
def desktop(tmp_path: Path) -> Iterator[Desktop]:
    need(not missing(), f"{missing()} is not installed (apt-get install {PACKAGES})")
    with Desktop(tmp_path) as made:
        yield made


@pytest.fixture
def heralding(desktop: Desktop) -> Iterator[Heralding]:
    with Heralding(desktop.environment) as made:
        yield made.configure(desktop=True)


def test_a_notice_is_on_the_screen_until_it_is_withdrawn(
    heralding: Heralding, desktop: Desktop, tmp_path: Path
) -> None:
    """The pixels change, and change back; a picture is kept for whoever wants to see it."""
    before = desktop.picture(tmp_path / "before.png")
    assert heralding.tell() == ()
    assert desktop.displayed() == 1
    time.sleep(0.5)  # dunst draws after it has answered
    ARTEFACTS.mkdir(exist_ok=True)
    shown = desktop.picture(ARTEFACTS / "notice.png")
    assert shown != before
    assert heralding.tell("withdrawn") == ()
    assert desktop.displayed() == 0
    until(lambda: desktop.picture(tmp_path / "after.png") == before, "the screen is empty again")
    assert desktop.history()[0]["summary"] == 'AWS login "corp" is needed'


def test_reminders_take_the_place_of_the_notice_and_do_not_stack(
    heralding: Heralding, desktop: Desktop
) -> None:
    """One cause, one notice on the screen."""
    heralding.tell()
    heralding.tell("reminded", notice(body="Pulls fail in 15 minutes."))
    assert desktop.displayed() == 1
    heralding.tell("raised", notice("another"))
    assert desktop.displayed() == 2
    heralding.tell("withdrawn", notice("another"))
    assert desktop.displayed() == 1


def test_a_notice_of_an_earlier_run_can_be_taken_back_and_nobody_elses(desktop: Desktop) -> None:
    """None is left standing over a restart; and after a reboot the number may be another program's."""
    with Heralding(desktop.environment) as made:
        made.configure(desktop=True).herald.tell("raised", notice())
        place = made.next().place  # type: ignore[union-attr] # a NoticeTold
    with Heralding(desktop.environment) as made:
        made.configure(desktop=True).herald.tell("withdrawn", notice(), "another-bus :1.1 1")
        made.next()
        assert desktop.displayed() == 1
        made.herald.tell("withdrawn", notice(), place)
        made.next()
    assert desktop.displayed() == 0


def test_the_button_asks_for_a_sign_in(heralding: Heralding, desktop: Desktop) -> None:
    """DESIGN 7: action **Sign in** where the desktop supports actions."""
    heralding.tell()
    assert desktop.dunst("action", "0").returncode == 0
    assert heralding.next() == SignInAsked("login:sso:corp")


def test_a_notice_without_a_command_to_start_has_no_button(heralding: Heralding, desktop: Desktop) -> None:
    """Nothing is offered that cannot be done."""
    heralding.tell("raised", notice(sign_in=False))
    heralding.tell("withdrawn", notice(sign_in=False))
    assert "sign-in" not in str(desktop.history())


def test_no_child_stays_once_no_button_is_left(heralding: Heralding, desktop: Desktop) -> None:
    """DESIGN 11: an idle service is small, and a child that waits for nothing costs 11 MiB."""

    def running() -> bool:
        return any("desktop_child" in args for args in children(os.getpid()).values())

    heralding.tell("raised", notice(sign_in=False))
    until(lambda: not running(), "a notice without a button needs nobody")
    heralding.tell()
    assert running()
    heralding.tell("withdrawn")
    until(lambda: not running(), "a notice that is withdrawn needs nobody")
    assert heralding.tell() == ()
    desktop.dunst("close-all")
    until(lambda: not running(), "nor does one that the person has closed")
    assert heralding.tell("reminded") == ()
    assert desktop.displayed() == 1


def test_text_of_others_is_text_and_no_markup(heralding: Heralding, desktop: Desktop) -> None:
    """A failure quotes what AWS or a program said."""
    heralding.tell("raised", notice(body='<b>bold</b> & <a href="x">link</a>'))
    heralding.tell("withdrawn")
    assert "<b>bold</b> &" in desktop.history()[0]["body"].replace("&lt;", "<").replace("&gt;", ">").replace(
        "&amp;", "&"
    )


def test_a_server_that_is_restarted_is_spoken_to_again(heralding: Heralding, desktop: Desktop) -> None:
    """A notice of the old one is nobody's; the next one is shown."""
    heralding.tell()
    heralding.herald._screen._child.end()  # type: ignore[union-attr]
    until(lambda: heralding.tell("reminded") == (), "a new child shows it")
    assert desktop.displayed() == 1


@pytest.fixture
def bus(tmp_path: Path) -> Iterator[Bus]:
    need(not missing(), f"{missing()} is not installed (apt-get install {PACKAGES})")
    services = tmp_path / "services"
    services.mkdir()
    (services / "silent.service").write_text(
        "[D-BUS Service]\nName=org.freedesktop.Notifications\n"
        f"Exec={sys.executable} -c 'import time; time.sleep(15)'\n"
    )
    with Bus(tmp_path, str(services)) as made:
        yield made


def test_a_server_that_never_comes_up_delays_nobody(bus: Bus) -> None:
    """The bus starts it on demand and waits; we do not."""
    with Heralding(bus.environment) as made:
        (problem,) = made.configure(desktop=True).tell()
        assert problem == "There is no desktop to show it on (its notification service does not answer)."


def test_a_bus_without_a_server_is_no_desktop(tmp_path: Path) -> None:
    """A build server with a session bus."""
    need(not missing(), f"{missing()} is not installed (apt-get install {PACKAGES})")
    with Bus(tmp_path) as bus, Heralding(bus.environment) as made:
        (problem,) = made.configure(desktop=True).tell()
        assert problem == "There is no desktop to show it on (it has no notification service)."


def test_a_bus_that_is_not_there_is_no_desktop(tmp_path: Path) -> None:
    """An environment that outlived its session."""
    with Heralding({"DBUS_SESSION_BUS_ADDRESS": f"unix:path={tmp_path}/gone"}) as made:
        (problem,) = made.configure(desktop=True).tell()
        assert problem == "There is no desktop to show it on (its session bus cannot be reached)."


def test_a_child_that_hangs_is_ended_and_said(desktop: Desktop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever it hangs in: the next notice gets a new one."""
    monkeypatch.setattr(desktop_module, "_ANSWERS_WITHIN", 0.001)
    with Heralding(desktop.environment) as made:
        (problem,) = made.configure(desktop=True).tell()
        assert "does not answer" in problem
        monkeypatch.setattr(desktop_module, "_ANSWERS_WITHIN", 10.0)
        assert made.tell() == ()


HURRIED = """
import sys
from jeepney import DBusAddress, HeaderFields, message_bus, new_method_return, new_signal
from jeepney.io.blocking import open_dbus_connection
from jeepney.wrappers import unwrap_msg
here = DBusAddress("/org/freedesktop/Notifications", interface="org.freedesktop.Notifications")
bus = open_dbus_connection(bus="SESSION")
unwrap_msg(bus.send_and_get_reply(message_bus.RequestName("org.freedesktop.Notifications")))
answers = {"GetCapabilities": ("as", (["actions"],)), "Notify": ("u", (7,)), "CloseNotification": (None, ())}
told = 0
while True:
    asked = bus.receive()
    member = asked.header.fields.get(HeaderFields.member)
    if member in answers:
        told += member == "Notify"
        if told == 2:
            bus.send(new_signal(here, "ActionInvoked", "us", (7, "sign-in")))
        bus.send(new_method_return(asked, *answers[member]))
"""


def test_a_button_that_is_pressed_while_a_reminder_is_shown_counts(tmp_path: Path) -> None:
    """Whoever presses it in that instant is not made to press it twice."""
    need(not missing(), f"{missing()} is not installed (apt-get install {PACKAGES})")
    with Bus(tmp_path) as bus:
        bus.start(sys.executable, "-c", HURRIED)
        with Heralding(bus.environment) as made:
            made.configure(desktop=True)
            until(lambda: made.tell() == (), "the server is up")
            made.herald.tell("reminded", notice())
            assert {type(made.next()).__name__, type(made.next()).__name__} == {"NoticeTold", "SignInAsked"}
