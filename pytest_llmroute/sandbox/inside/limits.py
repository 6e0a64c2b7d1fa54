"""What a process may use at most, where the system has such limits."""

from __future__ import annotations

import math
import os
import sys

FILE = 8 * 1024 * 1024
FILES = 64
STACK = 8 * 1024 * 1024
JUDGE_MEMORY = 1024 * 1024 * 1024
MEMORY = 512 * 1024 * 1024
THREADS = 128


def limit(cpu: float, address_space: int | None, *, count_threads: bool = False) -> None:
    """Seconds of CPU and bytes of addresses. `count_threads`: this user runs nothing else that would count as one."""
    if sys.platform == "win32":
        return
    import resource

    wanted = {
        resource.RLIMIT_CPU: math.ceil(cpu) + 1, resource.RLIMIT_FSIZE: FILE, resource.RLIMIT_NOFILE: FILES,
        resource.RLIMIT_CORE: 0, resource.RLIMIT_STACK: STACK,
    }  # fmt: skip
    if address_space is not None:
        wanted[resource.RLIMIT_AS] = address_space
    if count_threads:
        wanted[resource.RLIMIT_NPROC] = THREADS
    for kind, value in wanted.items():
        _, most = resource.getrlimit(kind)
        value = value if most == resource.RLIM_INFINITY else min(value, most)
        resource.setrlimit(kind, (value, value))


def address_space() -> int | None:
    """Bytes of addresses that this process holds; None where only Linux could tell."""
    try:
        with open("/proc/self/statm") as file:
            return int(file.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return None
