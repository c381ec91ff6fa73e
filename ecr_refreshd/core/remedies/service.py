"""Remedies for the service itself: its settings, state folder, environment, unit and registries."""

from __future__ import annotations

import errno
import shlex

from ecr_refreshd.core.ownership import Ownership
from ecr_refreshd.core.remedies import Remedy, files, ours


def no_home() -> Remedy:
    """Return what helps a user of whom the user database knows nothing, and who has no HOME."""
    return Remedy("Set HOME to a folder of this user.")


def closed(found: Ownership, *, of_state: bool = False) -> Remedy:
    """Return how this user gets a state folder.

    Changes the owner of what root left in this user's own home (see `files.given_back`).

    Args:
        found: the folder that keeps them out; its owner, its mount and HOME are established.
        of_state: it is the state folder itself or one of those in it, which only ecr-refreshd makes.
    """
    command = f"sudo chown -R {found.user.id} {shlex.quote(found.path)}"
    if of_state and found.may_be_given and not found.is_ours and not found.is_read_only:
        return Remedy(command=command)
    return files.given_back(found, otherwise=files.ANOTHER_STATE_FOLDER)


def cannot_be_made(found: Ownership, *, of_state: bool = False) -> Remedy:
    """Return what helps where a state folder cannot be made: a file in the way, a read-only disk.

    Args:
        found: the last thing on the way that can be looked at; what and whose it is, is established.
        of_state: it stands where a folder of ours belongs.
    """
    if of_state and found.exists and not found.is_folder and found.is_ours:
        return files.in_the_way(found, otherwise=files.ANOTHER_STATE_FOLDER)
    if found.is_read_only:
        return files.read_only(files.ANOTHER_STATE_FOLDER)
    return Remedy(f"{files.ANOTHER_STATE_FOLDER[0].upper()}{files.ANOTHER_STATE_FOLDER[1:]}.")


def open_to_others(*found: Ownership) -> Remedy:
    """Return how folders of ours are closed again. Established: others may write in them, and whose they are."""
    paths = " ".join(shlex.quote(each.path) for each in found)
    if not all(each.is_ours for each in found):
        return Remedy(f"{found[0].path} belongs to {found[0].owner}: {files.ANOTHER_STATE_FOLDER}.")
    return Remedy("If nobody but you has used it:", f"chmod 700 {paths}")


def settings_of_another(found: Ownership) -> Remedy:
    """Return what helps where the settings, or their folder, belong to neither this user nor root.

    Nothing is changed: whoever owns them could have put commands into them. Established: whose they are.
    """
    if found.user.has_anothers_home:
        return files.whose_home(found.user)
    own = "use settings of your own (--config, or ECR_REFRESHD_CONFIG)"
    return Remedy(f"{found.path} belongs to {found.owner}, and you are {found.user.who}: {own}.")


def settings_open_to_others(found: Ownership) -> Remedy:
    """Return how settings are closed to others, or their folder. Established: whose it is, and its mount."""
    command = f"chmod go-w {shlex.quote(found.path)}"
    if found.is_read_only:
        return Remedy(
            "It is mounted read-only with that mode: mount the file itself (in Kubernetes by subPath)."
        )
    if found.is_ours:
        return Remedy(command=command)
    if found.owner_uid == 0 and found.is_below_home and found.user.has_home:
        return Remedy(command=f"sudo {command}")
    return Remedy(f"{found.path} belongs to {found.owner}: ask them for a mode that only they may write.")


def folder_refuses(found: Ownership, number: int) -> Remedy:
    """Return what helps where a folder of ours, the locks or the helper's answers, cannot be used.

    Established: the `errno` that it was met with, and the deepest folder on the way that can be looked at.
    """
    if number in {errno.EACCES, errno.EPERM} or found.is_read_only:
        return closed(found)
    return files.disk(number, found.path) or cannot_be_made(found)


def settings_unreadable(found: Ownership, number: int) -> Remedy:
    """Return what helps where the settings cannot be read.

    Established: the `errno` that it was met with, and the deepest part of the path that can be looked at.
    """
    own = "use settings of your own (--config, or ECR_REFRESHD_CONFIG)"
    return files.given_back(found, otherwise=own) if number == errno.EACCES else Remedy()


# -- what other programs have a command for ------------------------------------------------------------------


def stop(*, macos: bool) -> Remedy:
    """Return how a service is stopped; established is only the system. It stops our own unit or agent."""
    if macos:
        command = 'launchctl bootout "gui/$(id -u)/io.github.ecr-refreshd"'
        return Remedy("A service in a terminal ends by Ctrl-C; that of launchd by:", command)
    return Remedy(
        "A service in a terminal ends by Ctrl-C; that of systemd by:", "systemctl --user stop ecr-refreshd"
    )


def read_log(*, macos: bool) -> Remedy:
    """Return where the service's log is; established is only the system. It changes nothing."""
    if macos:
        return Remedy(
            "The log of the launchd agent is a file:", 'tail -n 50 "$HOME/Library/Logs/ecr-refreshd.log"'
        )
    return Remedy("The log of the systemd unit is in the journal:", "journalctl --user --unit ecr-refreshd")


# -- how to begin --------------------------------------------------------------------------------------------


def name_registries(*, adopts: bool) -> Remedy:
    """Return how a service that keeps nothing gets its first registry. The command only prints.

    Established: it keeps none.

    Args:
        adopts: it also keeps what it finds in docker's and podman's files.
    """
    words = "It keeps a registry as soon as its login is in one of these. To name some:" if adopts else ""
    return Remedy(words or "To name some:", "ecr-refreshd init --scan .")


def scan(*, is_project: bool) -> Remedy:
    """Return how registries are found in files of projects. The command only prints.

    Established: whether this folder is a project, see `cli.projects`.
    """
    if is_project:
        return Remedy("To search Dockerfiles and compose files:", ours.SCAN)
    return Remedy("Dockerfiles and compose files are searched in the folder that --scan names.")


def add_registry(settings: str) -> Remedy:
    """Return how the first registry is kept. Established: this folder is no project, so no file may name one."""
    return Remedy(
        f"Add a [[registry]] with its host to {settings}; for a project, `ecr-refreshd init --scan FOLDER` "
        "proposes what its files name."
    )


def scan_another(settings: str) -> Remedy:
    """Return what helps where nothing was found. Established: a folder was named, and searched."""
    return Remedy(f"Name another folder with --scan, or add a [[registry]] with its host to {settings}.")


def install_unit(source: str) -> Remedy:
    """Return how the service is installed for good, as the unit of a user.

    Established: the file is there, a systemd of this user answers, and the program is where the unit starts it.
    """
    return Remedy(
        "For good, or in this terminal by `ecr-refreshd run`:",
        "mkdir -p ~/.config/systemd/user\n"
        f"cp {shlex.quote(source)} ~/.config/systemd/user/\n"
        "systemctl --user enable --now ecr-refreshd",
    )


def start() -> Remedy:
    """Return how a service is started in a terminal; established: nothing. It runs until it is ended."""
    return Remedy("To start one:", "ecr-refreshd run")


def replace_settings(path: str) -> Remedy:
    """Return how a settings file makes room for a new one; established: it exists. It renames that file."""
    command = f"mv -n {shlex.quote(path)} {shlex.quote(f'{path}.old')}"
    return Remedy("`ecr-refreshd init` prints what would be written. To move the file away first:", command)


# -- one that runs, or should ------------------------------------------------------------------------------


def start_unit(unit: str) -> Remedy:
    """Return how the user's unit is started. Established: the user's systemd knows it."""
    return Remedy(
        "Start it; should it end again, its log says why:",
        f"systemctl --user enable --now {unit}\njournalctl --user -u {unit} -n 30",
    )


def start_agent(uid: int, plist: str) -> Remedy:
    """Return how the launchd agent is started. Established: its plist is there, of this user."""
    return Remedy(command=f"launchctl bootstrap gui/{uid} {shlex.quote(plist)}")


def restart_unit(unit: str, *, of_user: bool, look_first: bool = False) -> Remedy:
    """Return how a unit is started anew. Established: the service runs in it, and under which manager."""
    user = " --user" if of_user else ""
    restart = f"{'' if of_user else 'sudo '}systemctl{user} restart {unit}"
    if not look_first:
        return Remedy(command=restart)
    log = f"{'' if of_user else 'sudo '}journalctl{user} -u {unit} -n 30"
    return Remedy("Its log may say why; then start it anew:", f"{log}\n{restart}")


def restart_process(pid: int | None, start: str) -> Remedy:
    """Return how a service is started anew that runs in a terminal.

    Args:
        pid: of it, as its lock says; None where that is not known.
        start: our own command line.
    """
    ended = [] if pid is None else [f"kill {pid} && sleep 3"]
    words = "End the one that runs (Ctrl-C in its terminal), and start it again:"
    return Remedy(words, "\n".join([*ended, start]))


def go_on(pid: int) -> Remedy:
    """Return how a stopped service goes on. Established: it is ours, and stopped (Ctrl-Z, kill -STOP)."""
    return Remedy(command=f"kill -CONT {pid}")


def set_variable(name: str, value: str, words: str) -> Remedy:
    """Return how a variable is corrected in a shell. Established: its value is wrong, and what is right."""
    return Remedy(words, f"export {name}={value if value == '...' else shlex.quote(value)}")


def unset_profile(name: str) -> Remedy:
    """Return how a shell names no profile. Established: no AWS file has the one that it names."""
    return Remedy(
        "Take it out where it is set too (~/.profile, .envrc), or name one that the second command shows:",
        f"unset {name}\naws configure list-profiles",
    )


def linger() -> Remedy:
    """Return how a user's services run without a session. Established: they end with it now."""
    return Remedy(command="loginctl enable-linger")


def set_clock(*, macos: bool, wsl: bool) -> Remedy:
    """Return how the clock is set. Established: it differs from AWS's, and the system."""
    if macos:
        return Remedy(command="sudo sntp -sS time.apple.com")
    return Remedy(command="sudo hwclock -s" if wsl else "sudo timedatectl set-ntp true")


def ask_registry(host: str) -> Remedy:
    """Return how a person looks at the way to a registry. It changes nothing."""
    words = "Look at the network, the VPN and HTTPS_PROXY; more is said by:"
    return Remedy(words, f"curl -sI https://{host}/v2/")


def start_systemd_in_wsl() -> Remedy:
    """Return how WSL starts systemd. Established: it runs without.

    It adds to /etc/wsl.conf, and ends all that runs in WSL.
    """
    return Remedy(
        "Switch it on, and let WSL start anew (this ends all that runs in it):",
        r"printf '[boot]\nsystemd=true\n' | sudo tee -a /etc/wsl.conf" + "\nwsl.exe --shutdown",
    )


def raise_inotify(name: str, value: int) -> Remedy:
    """Return how a limit of inotify is raised, now and for good. Established: it is used up.

    A file for each limit, the last of all that are read: one that is there already may set less.
    """
    file = f"/etc/sysctl.d/zz-{name}.conf"
    return Remedy(command=f"echo {name}={value} | sudo tee {file} && sudo sysctl --system")


def let_in(host: str, profile: str) -> Remedy:
    """Return what helps where a registry refuses the tokens that AWS issues.

    Established: it refused two in a row. The command changes nothing but this registry's own entries.
    """
    who = f"profile {profile}" if profile else "these credentials"
    words = f"Check that the registry's policy lets {who} in, and that this clock is right. Then:"
    return Remedy(words, ours.refresh(host))
