"""Remedies for the docker and podman files: owners, modes, links, mounts, contents."""

from __future__ import annotations

import errno
import re
import shlex
from collections.abc import Sequence

from ecr_refreshd.core.ownership import Ownership, User
from ecr_refreshd.core.remedies import Remedy

ANOTHER_FILE = "name another file under files in [docker]"
ANOTHER_STATE_FOLDER = "set ECR_REFRESHD_STATE_DIR to a folder in which this user may write"


def whose_home(user: User, otherwise: str = ANOTHER_FILE) -> Remedy:
    """Return the way out for a user whose HOME is another's; nothing is changed by it.

    Established: HOME is not this user's, and who owns it.
    """
    if user.has_anothers_home:
        as_owner = f"sudo -H -u {user.home_owner}" if user.has_sudo else f"runuser -u {user.home_owner} --"
        words = (
            f"HOME is {user.home}, which belongs to {user.home_owner}, and you are root. Run it as that user"
        )
        if user.home_owner.startswith("user id "):
            return Remedy(f"{words}, or set HOME to a folder of root's.")
        return Remedy(f"{words}:", f"{as_owner} {shlex.quote(user.program)} doctor")
    whose = f", which belongs to {user.home_owner}" if user.home_owner else ", which does not exist"
    words = f"HOME is {user.home or 'not set'}{whose if user.home else ''}"
    if user.own_home and user.own_home != user.home:
        return Remedy(
            f"{words}: set it to the folder of this user:", f"export HOME={shlex.quote(user.own_home)}"
        )
    return Remedy(f"{words}: set HOME to a folder of this user, or {otherwise}.")


def given_back(found: Ownership, *within: str, otherwise: str = ANOTHER_FILE) -> Remedy:
    """Return how the user gets into a file or folder that keeps them out.

    Changes the mode of what is theirs, or the owner of exactly what lies in their own home and is root's, as
    `sudo docker login` leaves it.

    Args:
        found: what keeps them out; its owner, its mount and HOME are established.
        within: what lies in that folder and was made with it; they cannot look whether it is there.
        otherwise: what helps where it is not theirs, as a half sentence.
    """
    path = shlex.quote(found.path)
    if found.is_read_only:
        return read_only(otherwise)
    if found.is_ours:
        return Remedy(command=f"chmod {'u+rwx' if found.is_folder else 'u+rw'} {path}")
    if not found.user.has_home:
        return whose_home(found.user, otherwise)
    if found.may_be_given:
        inside = [path, *(shlex.quote(each) for each in within)]
        return Remedy(command=f"sudo chown {'-h ' if within else ''}{found.user.id} {' '.join(inside)}")
    return Remedy(
        f"{found.path} belongs to {found.owner}, and you are {found.user.who}: ask them, or {otherwise}."
    )


def read_only(otherwise: str = ANOTHER_FILE) -> Remedy:
    """Return what helps where a file system or a mount takes no writes; nothing is changed.

    Established: that it does not, by `statvfs`. A Kubernetes secret cannot be mounted otherwise
    (kubernetes#60814, #62099).
    """
    if otherwise == ANOTHER_STATE_FOLDER:
        return Remedy(f"It is mounted read-only: {otherwise}.")
    return Remedy(
        "It is mounted read-only, as a Kubernetes secret always is: mount a writable folder there (an emptyDir), "
        f"or {otherwise}."
    )


def docker_config_variable(folder: str) -> Remedy:
    """Return how DOCKER_CONFIG is corrected: it names a folder (docker/cli#7235), as a whole path.

    Established: what the variable names is the file, or begins with an unexpanded ``~``; `folder` is meant.
    """
    return Remedy(
        "DOCKER_CONFIG names the folder of config.json, as a whole path. Correct it where it is set:",
        f"export DOCKER_CONFIG={shlex.quote(folder)}",
    )


def folder_in_place_of_file(found: Ownership, around: Ownership) -> Remedy:
    """Return how a folder that stands where config.json belongs is taken away; only an empty one.

    Docker makes one, as root, where a file that does not exist is mounted into a container, and the folder around
    it too where that is missing: then that is given back as well.

    Established: it is a folder, whether it is empty, and whose it and the folder around it are.
    """
    why = "Docker makes such a folder where `-v` mounts a file that does not exist; mount its folder instead"
    if found.is_mount:
        return Remedy(f"{why}.")
    if found.is_read_only:
        return read_only()
    if not found.is_empty:
        return Remedy(f"{why}. It is not empty: see what is in it, and put that elsewhere.")
    path = shlex.quote(found.path)
    if around.is_ours:
        return Remedy(f"{why}. It is empty:", f"rmdir {path}")
    if not found.user.has_home:
        return whose_home(found.user)
    if found.may_be_given and around.may_be_given:
        return Remedy(f"{why}. It is empty:", f"sudo rmdir {path} && {given_back(around).command}")
    return Remedy(
        f"{why}. {around.path} belongs to {around.owner}: ask them to remove it, or {ANOTHER_FILE}."
    )


def in_the_way(found: Ownership, *, otherwise: str = ANOTHER_FILE) -> Remedy:
    """Return how a user's own file, pipe or socket is moved from where another kind of file has to be.

    Established: it is of the wrong kind, whose it is, and that no variable names it by mistake.
    """
    path = shlex.quote(found.path)
    if found.is_ours and not found.is_mount and not found.is_read_only:
        return Remedy("See what it is, and move it away:", f"ls -ld {path}\nmv -n {path} {path}.old")
    return Remedy(f"{found.path} belongs to {found.owner}: ask them to move it away, or {otherwise}.")


def no_folder(folder: str) -> Remedy:
    """Return how the folder of a file is made. Established: nothing is there, and it may be made."""
    return Remedy(command=f"mkdir -p -m 700 {shlex.quote(folder)}")


def disk(number: int, path: str) -> Remedy | None:
    """Return how a person looks after a disk that is full or failing; None for other errors. It changes nothing.

    Established: the `errno` that a write met.
    """
    commands = {
        errno.ENOSPC: ("Make room on the disk:", f"df -h {shlex.quote(path)}"),
        errno.EDQUOT: ("Make room within your quota:", "quota -s"),
        errno.EIO: ("The kernel's log says what the disk reported:", "dmesg | tail"),
    }
    return Remedy(*commands[number]) if number in commands else None


def unchangeable(paths: Sequence[str], *, macos: bool, append_only: bool) -> Remedy:
    """Return how the attribute that forbids every change is taken from files. Established: they have it.

    It changes that attribute alone; somebody has set it, so the words say so.
    """
    names = " ".join(map(shlex.quote, paths))
    command = f"chflags nouchg {names}" if macos else f"sudo chattr -i{' -a' if append_only else ''} {names}"
    return Remedy("Somebody has forbidden every change to it. If that is not meant so:", command)


def narrowed(found: Ownership, mode: int) -> Remedy:
    """Return how a file with logins is closed to others. Established: whose it is.

    Changes its mode to one that has bits of its own less.
    """
    command = f"chmod {mode:04o} {shlex.quote(found.path)}"
    if found.is_read_only:
        return read_only()
    if found.is_ours:
        return Remedy(command=command)
    if found.user.has_home and found.may_be_given:
        return Remedy(command=f"sudo {command}")
    if found.user.uid == 0:
        return whose_home(found.user) if found.user.has_anothers_home else Remedy(command=command)
    return Remedy(
        f"Only {found.owner}, who owns it, can change that: ask them, or allow it with file_mode in [docker]."
    )


def folder_open_to_others(found: Ownership) -> Remedy:
    """Return how a folder that everyone may write is closed. Established: whose it is, and its mode."""
    command = f"chmod o-w {shlex.quote(found.path)}"
    if found.is_ours:
        return Remedy(command=command)
    if found.user.has_home and found.may_be_given:
        return Remedy(command=f"sudo {command}")
    return Remedy(
        f"{found.path} belongs to {found.owner}: ask them, or name a file elsewhere under files in [docker]."
    )


def unexplained(paths: Sequence[str], number: int = 0) -> Remedy:
    """Return how a person looks at what was refused without a cause that is seen. It changes nothing.

    Established: the `errno` that it was met with.
    """
    if number == errno.EPERM:
        return Remedy("See which attributes forbid it:", f"lsattr -d {' '.join(map(shlex.quote, paths))}")
    return Remedy("See whose they are, and their modes:", f"ls -ld {' '.join(map(shlex.quote, paths))}")


def link_not_followed(link: str) -> Remedy:
    """Return how a person looks at a link that is not followed. Established: it is a link. Changes nothing."""
    return Remedy(
        "See where it leads, or name the real file under files in [docker]:", f"ls -l {shlex.quote(link)}"
    )


def docker_config_absent() -> Remedy:
    """Return what helps where DOCKER_CONFIG names a folder that is not there: nothing is made for a mistake."""
    words = (
        "Correct it where it is set, or do without it; if it is meant so, `docker login` makes the folder:"
    )
    return Remedy(words, "unset DOCKER_CONFIG")


def mounted_file(folder: str) -> Remedy:
    """Return what is mounted in place of a single file. Established: the file is a mount of its own."""
    return Remedy(
        f"Mount its folder instead (`docker run -v ~/.docker:{folder}`, in Kubernetes a volume without subPath)."
    )


def hard_link(path: str) -> Remedy:
    """Return how a file with several names becomes one of its own. Its content, mode and owner stay.

    Established: it has more than one name, and this user may write in its folder.
    """
    file = shlex.quote(path)
    return Remedy(
        "Make it a file of its own, and use symbolic links to it elsewhere:",
        f"test ! -e {file}.new && cp -p {file} {file}.new && mv {file}.new {file}",
    )


def kept_by_git(tree: str, inside: str, pattern: str) -> Remedy:
    """Return how a file leaves git's index, and stays where it is. Established: git keeps it.

    Args:
        tree: the work tree.
        inside: the file's path in it.
        pattern: the line by which git ignores this one path.
    """
    literal = "--literal-pathspecs " if re.search(r"^:|[*?\[\\]", inside) else ""
    out = f"git {literal}-C {shlex.quote(tree)} rm --cached -- {shlex.quote(inside)}"
    return Remedy(
        "Take it out, commit that, and change every login that was ever pushed:",
        f"{out} && {not_ignored_by_git(tree, pattern).command}",
    )


def not_ignored_by_git(tree: str, pattern: str) -> Remedy:
    """Return how git ignores a file, in this clone alone. Established: it lies in a work tree, not ignored."""
    # In a work tree that `git worktree` has made .git is a file.
    excluded = f'"$(git -C {shlex.quote(tree)} rev-parse --path-format=absolute --git-path info/exclude)"'
    return Remedy(command=f"printf '%s\\n' {shlex.quote(pattern)} >> {excluded}")


def unparsable(found: Ownership, which: str) -> Remedy:
    """Return what helps where a file does not parse: it is corrected by hand, or made anew by its owner.

    Args:
        found: whose it is, is established.
        which: the line, or the file, for people.
    """
    path = shlex.quote(found.path)
    if not found.is_ours or found.is_read_only or found.is_mount:
        return Remedy(f"Correct {which}.")
    words = f"Correct {which}; or, if nothing in it is worth keeping, move it away:"
    return Remedy(words, f"mv -n {path} {path}.broken")


def executable(found: Ownership) -> Remedy:
    """Return how a program may be run. Established: it is a file, may not be run now, and whose it is."""
    if found.is_ours:
        return Remedy(command=f"chmod u+x {shlex.quote(found.path)}")
    return Remedy(
        f"{found.path} belongs to {found.owner}: ask them to let you run it, or name another program."
    )
