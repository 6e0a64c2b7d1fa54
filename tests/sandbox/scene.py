"""The machine as far as it can be seen from here: what a run may leave no trace in."""

from __future__ import annotations

import os
import re
import resource
import sysconfig
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Scene:
    """Compared before and after a run."""

    ours: frozenset[int]
    """Processes that descend from this one."""
    marked: frozenset[int]
    """Processes that bear the mark in name, command line or environment, whoever started them."""
    paths: frozenset[str]
    mounts: frozenset[str]
    objects: frozenset[str]
    """Abstract sockets and System V objects."""
    state: str
    """What others may change of this process."""

    @classmethod
    def now(cls, mark: str) -> Scene:
        ours, marked = processes(mark)
        mounts = Path("/proc/self/mounts").read_text(errors="replace").splitlines()
        return cls(ours, marked, paths(), frozenset(mounts), kernel_objects(mark), own_state())


def processes(mark: str) -> tuple[frozenset[int], frozenset[int]]:
    """Those that descend from this one, and those that are marked."""
    parents: dict[int, int] = {}
    marked = set()
    for name in filter(str.isdigit, os.listdir("/proc")):
        with suppress(OSError):
            stat = Path("/proc", name, "stat").read_bytes()
            status, parent = stat.rpartition(b")")[2].split()[:2]
            if status in b"ZX":
                continue
            parents[int(name)] = int(parent)
            known = stat + Path("/proc", name, "cmdline").read_bytes()
            if mark.encode() in known or f"MARK={mark}".encode() in Path("/proc", name, "environ").read_bytes():
                marked.add(int(name))
    ours = {os.getpid()}
    while new := {pid for pid, parent in parents.items() if parent in ours} - ours:
        ours |= new
    return frozenset(ours - {os.getpid()}), frozenset(marked - {os.getpid()})


def paths() -> frozenset[str]:
    """All that lies where hostile code leaves files: names only, not what is below."""
    fixed = ("/", "/tmp", "/var/tmp", "/dev/shm", "/dev/mqueue", "/etc", "/root", "/usr/lib")
    own = (os.path.expanduser("~"), os.getcwd(), tempfile.gettempdir(), sysconfig.get_path("stdlib"))
    found = set()
    for place in {os.path.realpath(place) for place in (*fixed, *own)}:
        with suppress(OSError):
            found |= {f"{place}/{name}" for name in os.listdir(place)}
    return frozenset(found)


def kernel_objects(mark: str) -> frozenset[str]:
    found = set()
    with suppress(OSError):
        found |= set(re.findall(rf"@{mark}\S*", Path("/proc/net/unix").read_text()))
    for kind in ("shm", "sem", "msg"):
        with suppress(OSError):
            found |= {f"{kind} {line.split()[1]}" for line in Path("/proc/sysvipc", kind).read_text().splitlines()[1:]}
    return frozenset(found)


def own_state() -> str:
    limits = [resource.getrlimit(getattr(resource, name)) for name in dir(resource) if name.startswith("RLIMIT_")]
    return f"{limits} {os.getpriority(os.PRIO_PROCESS, 0)} {sorted(os.sched_getaffinity(0))} {Path.cwd()}"
