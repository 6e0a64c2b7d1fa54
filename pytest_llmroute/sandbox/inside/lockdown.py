"""The surroundings of a jail. Each step is taken before anything of a solution's is read."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterable

from . import kernel, places

SCRATCH = "/tmp"
SCRATCH_SIZE, SCRATCH_FILES = "16m", "256"
NOBODY = 65534
FIRST_UID = 0x70000000
"""Where an unused user id is taken from for each jail, so that jails of one host can't touch each other."""


def drop_root(number_of_jail: int) -> None:
    """An ordinary user without a group in common with anybody."""
    if os.geteuid() != 0:
        return
    os.setgroups([])
    for number in (FIRST_UID + number_of_jail % 1_000_000, NOBODY):
        try:
            os.setresgid(number, number, number)
            os.setresuid(number, number, number)
        except OSError:
            continue  # a number that this user namespace does not have
        break
    if os.geteuid() == 0:
        raise PermissionError("root could not be dropped")


def unprivileged(number_of_jail: int) -> None:
    """No root, no capability, and no way to get any."""
    drop_root(number_of_jail)
    kernel.drop_capabilities()
    kernel.no_new_privileges()


def isolate() -> None:
    """Namespaces and a file system of their own; the next child is the first process of the new ones."""
    flags = kernel.NEW_MOUNTS | kernel.NEW_UTS | kernel.NEW_IPC | kernel.NEW_PIDS | kernel.NEW_NET
    uid, gid = os.geteuid(), os.getegid()
    if uid == 0:
        kernel.unshare(flags)
    else:
        kernel.unshare(flags | kernel.NEW_USER)
        _write("/proc/self/setgroups", "deny")
        _write("/proc/self/uid_map", f"{NOBODY} {uid} 1")
        _write("/proc/self/gid_map", f"{NOBODY} {gid} 1")
    _mounts()


def restrict(number_of_jail: int) -> None:
    """Landlock alone: the same folders can be read, none be written."""
    rules = [(path, kernel.READ if os.path.isdir(path) else kernel.READ_FILE) for path in _readable()]
    rules += [(device, kernel.READ_WRITE_FILE) for device in places.DEVICES]
    rules.append((places.library(), kernel.READ_FOLDER))
    ruleset = kernel.landlock_rules(rules)
    keep_library_in_reach()
    drop_root(number_of_jail)
    kernel.prctl(kernel.PR_SET_DUMPABLE, 1)  # else the descriptors of a process are not its own to see
    kernel.landlock(ruleset)


def keep_library_in_reach() -> None:
    """A library in a folder that only root may enter is reached by a descriptor that root has opened."""
    if os.geteuid() != 0 or all(_others_may_enter(folder) for folder in _above(places.library())):
        return
    library = places.library()
    for folder in (places.extensions(), library):
        reached = f"/proc/self/fd/{os.open(folder, os.O_PATH | os.O_DIRECTORY)}"
        sys.path[:] = [reached if entry == folder else entry for entry in sys.path]
    for module in list(sys.modules.values()):
        if path := getattr(module, "__path__", None):
            path[:] = [entry.replace(library, reached, 1) for entry in path]
    sys.path_importer_cache.clear()


def _readable() -> Iterable[str]:
    yield from places.parts_of_library()
    yield places.extensions()
    yield from places.shared()
    yield places.ZONES


# The private file system


def _mounts() -> None:
    """A new root that has only what may be read, and an empty scratch folder."""
    os.umask(0o022)
    folders = [places.library(), places.extensions(), *places.shared(), places.ZONES]
    kernel.mount("none", "/", None, kernel.RECURSIVE | kernel.PRIVATE)
    kernel.mount("none", "/tmp", "tmpfs", kernel.NO_SUID | kernel.NO_DEV, "mode=755,size=1m")
    os.makedirs("/tmp/old")
    os.makedirs("/tmp/new")
    kernel.pivot_root("/tmp", "/tmp/old")
    os.chdir("/")
    kernel.mount("none", "/new", "tmpfs", kernel.NO_SUID | kernel.NO_DEV, "mode=755,size=1m")
    for path in dict.fromkeys((*folders, *places.DEVICES)):
        _show(path)
    for name in ("lib", "lib64"):
        if os.path.islink(f"/old/{name}") and not os.path.lexists(f"/new/{name}"):
            os.symlink(os.readlink(f"/old/{name}"), f"/new/{name}")
    _hide(places.library())
    os.makedirs(f"/new{SCRATCH}", exist_ok=True)
    options = f"mode=1777,size={SCRATCH_SIZE},nr_inodes={SCRATCH_FILES}"
    kernel.mount("none", f"/new{SCRATCH}", "tmpfs", kernel.NO_SUID | kernel.NO_DEV | kernel.NO_EXEC, options)
    kernel.mount("none", "/new", None, kernel.REMOUNT | kernel.BIND | kernel.READ_ONLY | kernel.NO_SUID | kernel.NO_DEV)
    os.chdir("/new")
    kernel.pivot_root(".", ".")
    kernel.unmount(".")
    os.chdir(SCRATCH)


def _show(path: str) -> None:
    """The same path in the new root, read-only."""
    source, target = f"/old{path}", f"/new{path}"
    if not os.path.exists(source) or os.path.exists(target):
        return
    if stat.S_ISDIR(os.stat(source).st_mode):
        os.makedirs(target, exist_ok=True)
    else:
        os.makedirs(os.path.dirname(target), exist_ok=True)
        os.close(os.open(target, os.O_CREAT | os.O_WRONLY, 0o644))
    kernel.mount(source, target, None, kernel.BIND)
    if path in places.DEVICES:
        return
    locked = os.statvfs(source).f_flag & (os.ST_NOSUID | os.ST_NODEV | os.ST_NOEXEC | os.ST_NOATIME | os.ST_RELATIME)
    flags = kernel.REMOUNT | kernel.BIND | kernel.READ_ONLY | kernel.NO_SUID | kernel.NO_DEV
    kernel.mount("none", target, None, flags | locked)


def _hide(folder: str) -> None:
    """An empty folder over what has been installed beside the standard library."""
    for name in places.HIDDEN:
        if os.path.isdir(f"/new{folder}/{name}"):
            kernel.mount("none", f"/new{folder}/{name}", "tmpfs", kernel.READ_ONLY | kernel.NO_SUID, "mode=755,size=4k")


def _write(path: str, text: str) -> None:
    with open(path, "w") as file:
        file.write(text)


def _above(folder: str) -> Iterable[str]:
    while folder != "/":
        yield folder
        folder = os.path.dirname(folder)


def _others_may_enter(folder: str) -> bool:
    return bool(os.stat(folder).st_mode & stat.S_IXOTH)
