"""The watcher of folders: watchdog behind one small port, supervised because it dies in silence.

Rules: events are hints, and only the write kinds, or reading a file would wake us about our own reading; a
change that no event told of is found at the next `check`, by `stat`, whatever the reason (reliability.md 2).
Folders are watched by their real paths, one watch for each inode with one set of kinds: a second watch with
another set would silently replace the first one's. Its threads (one per folder and two) sleep until something
happens; nothing polls.
"""

# Paths are the texts that were asked for; pathlib would make other texts of some.
# ruff: noqa: PTH118, PTH119, PTH120
from __future__ import annotations

import errno
import logging
import os
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from watchdog.events import (
    DirCreatedEvent,
    DirDeletedEvent,
    DirMovedEvent,
    FileClosedEvent,
    FileCreatedEvent,
    FileDeletedEvent,
    FileModifiedEvent,
    FileMovedEvent,
    FileSystemEvent,
    FileSystemEventHandler,
)
from watchdog.observers import Observer
from watchdog.observers.api import BaseObserver, ObservedWatch

from ecr_refreshd.core.model import Complaint
from ecr_refreshd.host.folders import Entry, Identity, Spot, contents, nearest, rewritten, spot

_NEWCOMERS = (DirCreatedEvent, DirMovedEvent, FileCreatedEvent, FileMovedEvent)
_APPEARING: list[type[FileSystemEvent]] = [*_NEWCOMERS, DirDeletedEvent]
_WRITING: list[type[FileSystemEvent]] = [*_APPEARING, FileDeletedEvent, FileModifiedEvent, FileClosedEvent]
_ROUNDS = 10
"""Each may find one more folder of a path that is just being made; deeper paths wait for the next check."""
_STOPPED = "called when the thread is inactive"
"""watchdog 7 logs this at level error where an emitter is stopped between two steps of its loop: no fault."""
logging.getLogger("watchdog.observers.inotify").addFilter(lambda record: _STOPPED not in record.getMessage())
_ONLY_CHECKS = "changes there are seen only by the look that is taken every half minute"


@dataclass(slots=True, eq=False)
class _Folder:
    """A folder somebody asked for, by the name they gave it.

    Attributes:
        awaited: while it is missing, its path without symlinks, as far as that exists.
    """

    name: str
    found: Spot | None = None
    awaited: str = ""
    seen: dict[str, Entry] = field(default_factory=dict)
    heard: bool = False
    unheard_checks: int = 0


class FolderWatcher:
    """Watches folders by watchdog; `host.watching` gives it a thread, since any look at a folder may hang.

    `changed` gets the path that changed, or the folder when it is not known which; it is called in the
    observer's thread or in the one that calls `check`, and must return at once. So is `soon`, when `mend` would
    find something to do: the observer's thread itself never looks at a folder, since one that hangs would keep
    the events of all others from coming.

    Attributes:
        looking_at: the folder that is being looked at just now, "" if none is; any thread may read it.
    """

    def __init__(self, changed: Callable[[str], None], soon: Callable[[], None]) -> None:
        self.looking_at = ""
        self._changed = changed
        self._soon = soon
        self._lock = threading.Lock()
        self._mend_asked = False
        self._stopped = False
        self._stumbled = ""
        self._observer: BaseObserver | None = None
        self._no_observer: Complaint | None = None
        self._folders: dict[str, _Folder] = {}
        self._placed: dict[Identity, tuple[_Ear, ObservedWatch]] = {}
        self._refused: dict[Identity, OSError | RuntimeError] = {}

    def watch(self, folders: frozenset[str]) -> None:
        """Watch exactly these folders from now on; missing ones as soon as they appear."""
        with self._lock:
            for name in self._folders.keys() - folders:
                del self._folders[name]
            for name in folders - self._folders.keys():
                self._folders[name] = _Folder(name)
            self._mend()

    def check(self) -> tuple[Complaint, ...]:
        """Mend what has died, report what no event told of, and say what is degraded."""
        with self._lock:
            appeared = self._mend()
            unheard = [folder.name for folder in self._folders.values() if self._compare(folder)]
            self.looking_at = ""
            complaints = tuple(self._complaints())
        self._report({*appeared, *unheard})
        return complaints

    @property
    def alive(self) -> bool:
        """Return whether watchdog's threads live, or the newest complaints say that there are none."""
        observer = self._observer
        return bool(self._no_observer) or observer is None or _lives(observer)

    def stop(self) -> None:
        """Stop; no call comes after this one has returned, except one that is under way."""
        with self._lock:
            self._stopped = True
            self._folders.clear()
            self._drop_observer()

    # -- in the observer's thread ---------------------------------------------------------------------------

    def hear(self, ear: _Ear, event: FileSystemEvent) -> None:
        """Take an event. Never raises: an exception here would end watchdog's thread, and nobody would know."""
        try:
            if isinstance(event, DirDeletedEvent) and os.fsdecode(event.src_path) == ear.spot.path:
                ear.gone = True
            for path in ear.named_paths(event):
                self._changed(path)
            if ear.gone or (isinstance(event, _NEWCOMERS) and self._awaited(event)):
                self._soon()
        except Exception as error:  # noqa: BLE001 - see above
            self._stumbled = type(error).__name__

    def _awaited(self, event: FileSystemEvent) -> bool:
        """Return whether something came that a missing folder is, or lies in."""
        came = tuple(os.path.join(path, "") for path in _real_paths(event))
        missing = [each.awaited for each in list(self._folders.values()) if each.awaited]
        return any(os.path.join(name, "").startswith(came) for name in missing)

    def mend(self) -> None:
        """Watch what has come, and what has come back; in any thread that may hang."""
        # Never waits for the lock: its holder may be waiting for the observer's thread. It looks again then.
        self._mend_asked = True
        while self._mend_asked and self._lock.acquire(blocking=False):
            try:
                self._mend_asked = False
                appeared = self._place_all()
            finally:
                self._lock.release()
            self._report(appeared)

    # -- under the lock -------------------------------------------------------------------------------------

    def _mend(self) -> set[str]:
        if self._stopped:
            return set()
        self._mend_asked = False
        if self._observer is not None and not _lives(self._observer):
            self._drop_observer()
        if self._observer is None and self._folders:
            self._start_observer()
        return self._place_all()

    def _start_observer(self) -> None:
        try:
            observer = Observer()
            observer.start()
        except (OSError, RuntimeError) as exc:
            message = f"Folders cannot be watched ({_reason(exc)}): {_ONLY_CHECKS}."
            self._no_observer = Complaint(_code(exc), message)
        else:
            self._observer, self._no_observer = observer, None

    def _drop_observer(self) -> None:
        self._placed.clear()
        observer, self._observer = self._observer, None
        if observer is not None:
            observer.stop()
            observer.join(1)

    def _place_all(self) -> set[str]:
        """Put a watch on every folder, or on what is nearest to it; return the folders newly found."""
        appeared: set[str] = set()
        for _ in range(_ROUNDS):
            wanted = self._look_around(appeared)
            if not self._place(wanted):
                break
        return appeared

    def _look_around(self, appeared: set[str]) -> dict[Identity, _Wanted]:
        wanted: dict[Identity, _Wanted] = {}
        for folder in self._folders.values():
            self.looking_at = folder.name
            found = spot(folder.name)
            if found is not None and found != folder.found:
                folder.seen = dict(contents(found.path))
                appeared.add(folder.name)
            folder.found = found
            folder.awaited = "" if found is not None else os.path.realpath(folder.name)
            watched = found or nearest(folder.name)
            if watched is None or not watched.readable:
                continue
            names = wanted.setdefault(watched.identity, _Wanted(watched)).names
            if found is not None:
                names.add(folder.name)
        self.looking_at = ""
        return wanted

    def _place(self, wanted: dict[Identity, _Wanted]) -> bool:
        """Make the watches as wanted; return whether one was placed, so that it pays to look around again."""
        observer = self._observer
        if observer is None:
            return False
        alive = {emitter.watch for emitter in observer.emitters.copy() if emitter.is_alive()}
        for identity, (ear, watch) in list(self._placed.items()):
            want = wanted.get(identity)
            if ear.gone or watch not in alive or want is None or not ear.serves(want):
                # Scheduling a path whose emitter is dead does nothing at all unless it is unscheduled first.
                observer.unschedule(watch)
                del self._placed[identity]
        self._refused = {}
        news = False
        for identity in wanted.keys() - self._placed.keys():
            news = self._schedule(observer, wanted[identity]) or news
        return news

    def _schedule(self, observer: BaseObserver, want: _Wanted) -> bool:
        ear = _Ear(self, want.spot, {name: self._folders[name] for name in want.names})
        kinds = _WRITING if want.names else _APPEARING
        self.looking_at = min(want.names, default=want.spot.path)  # the kernel looks, too
        try:
            watch = observer.schedule(ear, want.spot.path, recursive=False, event_filter=kinds)
        except FileNotFoundError:
            return True
        except (OSError, RuntimeError) as exc:
            self._refused[want.spot.identity] = exc
            return False
        finally:
            self.looking_at = ""
        self._placed[want.spot.identity] = (ear, watch)
        for name in want.names:
            self._folders[name].unheard_checks = 0
        return True

    def _compare(self, folder: _Folder) -> bool:
        """Return whether a folder holds something else than at the last check."""
        if folder.found is None:
            return False
        self.looking_at = folder.name
        before, folder.seen = folder.seen, dict(contents(folder.found.path))
        if folder.heard:
            folder.heard, folder.unheard_checks = False, 0
        elif folder.unheard_checks or rewritten(before, folder.seen):
            folder.unheard_checks += 1
        return before != folder.seen

    def _complaints(self) -> Iterable[Complaint]:
        if self._stumbled:
            yield Complaint(
                "watch.failed",
                f"An unforeseen error ({self._stumbled}) while a change was reported; the next check sees it.",
            )
            self._stumbled = ""
        if self._no_observer is not None:
            yield self._no_observer
            return
        for folder in sorted(self._folders.values(), key=lambda each: each.name):
            if folder.found is None:
                continue
            if not folder.found.readable:
                yield Complaint(
                    "watch.unreadable",
                    f"{folder.name} cannot be read by this user, so its changes are not seen.",
                )
            elif folder.found.identity in self._refused:
                error = self._refused[folder.found.identity]
                message = f"{folder.name} cannot be watched ({_reason(error)}): {_ONLY_CHECKS}."
                yield Complaint(_code(error), message)
            elif folder.unheard_checks > 1:  # once may be an event that was still under way
                yield Complaint(
                    "watch.unheard",
                    f"{folder.name} changes without telling (a network file system?): {_ONLY_CHECKS}.",
                )

    def _report(self, paths: Iterable[str]) -> None:
        for path in sorted(paths):
            self._changed(path)


@dataclass(slots=True)
class _Wanted:
    spot: Spot
    names: set[str] = field(default_factory=set)


class _Ear(FileSystemEventHandler):
    """Listens at one inode: for the folders asked for that are it, or for none if one is to appear below."""

    def __init__(self, watcher: FolderWatcher, at: Spot, folders: dict[str, _Folder]) -> None:
        self.spot = at
        self.gone = False
        self._watcher = watcher
        self._folders = folders

    def serves(self, want: _Wanted) -> bool:
        return self.spot == want.spot and self._folders.keys() == want.names

    def named_paths(self, event: FileSystemEvent) -> list[str]:
        """Return what changed, below the names that were asked for and not the real ones."""
        paths = []
        for folder in self._folders.values():
            folder.heard = True
            for path in _real_paths(event):
                inside = os.path.dirname(path) == self.spot.path
                paths.append(os.path.join(folder.name, os.path.basename(path)) if inside else folder.name)
        return paths

    def dispatch(self, event: FileSystemEvent) -> None:
        self._watcher.hear(self, event)


def _real_paths(event: FileSystemEvent) -> list[str]:
    return [os.fsdecode(path) for path in (event.src_path, event.dest_path) if path]


def _lives(observer: BaseObserver) -> bool:
    reader = getattr(observer, "_inotify_fd", None)  # on Linux a thread of its own reads for all emitters
    return observer.is_alive() and (not isinstance(reader, threading.Thread) or reader.is_alive())


_LIMITS = {
    errno.ENOSPC: ("fs.inotify.max_user_watches", "this user's inotify watches are used up"),
    errno.EMFILE: (
        "fs.inotify.max_user_instances",
        "this user's inotify instances or open files are used up",
    ),
}
"""What the kernel refuses for want of, and the limit to raise: it is the code of the complaint."""


def _code(error: OSError | RuntimeError) -> str:
    known = _LIMITS.get(error.errno or 0) if isinstance(error, OSError) else None
    return known[0] if known else "watch.refused"


def _reason(error: OSError | RuntimeError) -> str:
    known = _LIMITS.get(error.errno or 0) if isinstance(error, OSError) else None
    return f"{known[1]}; raise {known[0]}" if known else str(error) or type(error).__name__
