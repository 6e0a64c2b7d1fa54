"""What Linux's kernel is asked for by number: no library between, so that nothing has to be installed."""

from __future__ import annotations

import ctypes
import os
import platform
import struct
from collections.abc import Iterable, Sequence
from functools import cache

from .syscalls import ALLOWED, AUDIT_ARCH, CHANGES, NUMBERS

PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_SECCOMP, PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS = 1, 4, 22, 24, 38
NEW_MOUNTS, NEW_UTS, NEW_IPC, NEW_USER, NEW_PIDS, NEW_NET = (
    0x00020000, 0x04000000, 0x08000000, 0x10000000, 0x20000000, 0x40000000,
)  # fmt: skip
READ_ONLY, NO_SUID, NO_DEV, NO_EXEC, REMOUNT, BIND, RECURSIVE, PRIVATE = (
    1, 2, 4, 8, 32, 4096, 16384, 1 << 18,
)  # fmt: skip
DETACH = 2
LAST_CAPABILITY = 63

_libc = ctypes.CDLL(None, use_errno=True)


def machine() -> str:
    return platform.machine()


def called(result: int, what: str) -> int:
    """The result of a call into the C library; a refusal becomes OSError with its name."""
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result


def prctl(option: int, first: int = 0, second: int = 0, third: int = 0, fourth: int = 0) -> None:
    long = ctypes.c_ulong
    called(_libc.prctl(option, long(first), long(second), long(third), long(fourth)), f"prctl {option}")


def unshare(flags: int) -> None:
    called(_libc.unshare(ctypes.c_int(flags)), f"unshare {flags:#x}")


def mount(source: str, target: str, kind: str | None, flags: int, data: str | None = None) -> None:
    def text(value: str | None) -> bytes | None:
        return None if value is None else os.fsencode(value)

    result = _libc.mount(text(source), text(target), text(kind), ctypes.c_ulong(flags), text(data))
    called(result, f"mount {target}")


def unmount(target: str) -> None:
    called(_libc.umount2(os.fsencode(target), DETACH), f"umount {target}")


def pivot_root(new: str, old: str) -> None:
    called(_syscall("pivot_root", ctypes.c_char_p(os.fsencode(new)), ctypes.c_char_p(os.fsencode(old))), "pivot_root")


def drop_capabilities() -> None:
    """All of them, for good."""
    for capability in range(LAST_CAPABILITY + 1):
        try:
            prctl(PR_CAPBSET_DROP, capability)
        except OSError:
            break  # beyond the last one, or not ours to drop
    header = struct.pack("Ii", 0x20080522, 0)
    called(_syscall("capset", ctypes.c_char_p(header), ctypes.c_char_p(bytes(24))), "capset")


def no_new_privileges() -> None:
    prctl(PR_SET_NO_NEW_PRIVS, 1)


def _syscall(name: str, *args: object) -> int:
    result: int = _libc.syscall(ctypes.c_long(NUMBERS[machine()][name]), *args)
    return result


# Landlock

_FS_RIGHTS = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 5: (1 << 16) - 1}
READ = 1 << 0 | 1 << 2 | 1 << 3
"""Execute, read a file, read a folder."""
READ_FOLDER = 1 << 3
READ_FILE = 1 << 0 | 1 << 2
READ_WRITE_FILE = 1 << 1 | 1 << 2
_CREATE, _ADD, _RESTRICT = 444, 445, 446


def landlock_version() -> int:
    """0 where the kernel has none, or has it turned off."""
    result: int = _libc.syscall(ctypes.c_long(_CREATE), None, ctypes.c_size_t(0), ctypes.c_uint32(1))
    return max(0, result)


def landlock_rules(rules: Iterable[tuple[str, int]]) -> int:
    """A set of rules: these paths, each with what is below it, by these rights; no TCP, and no signals outwards."""
    version = landlock_version()
    if version < 1:
        raise OSError(ctypes.get_errno(), "the kernel has no Landlock, or has it turned off")
    fs = next(rights for least, rights in sorted(_FS_RIGHTS.items(), reverse=True) if version >= least)
    attributes = struct.pack("Q", fs)
    if version >= 4:
        attributes += struct.pack("Q", 3)
    if version >= 6:
        attributes += struct.pack("Q", 3)
    size = ctypes.c_size_t(len(attributes))
    ruleset = called(_libc.syscall(ctypes.c_long(_CREATE), attributes, size, ctypes.c_uint32(0)), "landlock")
    for path, rights in rules:
        _allow(ruleset, path, rights & fs)
    return ruleset


def landlock(ruleset: int) -> None:
    """From now on only what these rules allow."""
    no_new_privileges()
    called(_libc.syscall(ctypes.c_long(_RESTRICT), ctypes.c_int(ruleset), ctypes.c_uint32(0)), "landlock")
    os.close(ruleset)


def _allow(ruleset: int, path: str, rights: int) -> None:
    try:
        file = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    try:
        rule = struct.pack("=Qi", rights, file)
        args = ctypes.c_int(ruleset), ctypes.c_int(1), rule, ctypes.c_uint32(0)
        called(_libc.syscall(ctypes.c_long(_ADD), *args), f"landlock {path}")
    finally:
        os.close(file)


# seccomp

_LOAD, _EQUAL, _SET, _AT_LEAST, _RETURN = 0x20, 0x15, 0x45, 0x35, 0x06
_ALLOW, _KILL, _ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
_NUMBER, _ARCH, _ARGUMENT = 0, 4, 16
EPERM, ENOTTY, ENOSYS = 1, 25, 38
_THREAD, _NEW_NAMESPACES = 0x00010000, 0x7E020080
_AF_UNIX, _FIONBIO = 1, 0x5421
_LAST_LOCK, _DUPLICATE = 7, 1030
"""Commands of fcntl: those up to F_SETLKW, and F_DUPFD_CLOEXEC. F_SETOWN would send signals to others."""
_X32 = 0x40000000
_WHOEVER = 0x7A5A17ED
"""Stands for the number of the process in a filter that is made once for all; larger than any."""


def seccomp(*, writable: bool) -> None:
    """From now on only the calls that a calculation needs: no process, no program, no socket, no signal to others.

    `writable`: whether there is a folder of its own to write in. Landlock keeps nobody from changing the mode or the
    times of a file, so elsewhere nothing that changes a path is called at all.
    """
    program = _program(machine(), writable).replace(struct.pack("I", _WHOEVER), struct.pack("I", os.getpid()))
    code = ctypes.create_string_buffer(program)
    head = struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(code))
    no_new_privileges()
    buffer = ctypes.create_string_buffer(head)
    prctl(PR_SET_SECCOMP, 2, ctypes.addressof(buffer))


@cache
def _program(arch: str, writable: bool) -> bytes:
    """The filter of a process whose number is _WHOEVER; the last instruction refuses."""
    numbers = NUMBERS[arch]
    steps = [
        _step(_LOAD, _ARCH), _step(_EQUAL, AUDIT_ARCH[arch], 1, 0), _step(_RETURN, _KILL),
        _step(_LOAD, _NUMBER),
    ]  # fmt: skip
    if arch == "x86_64":
        steps += [_step(_AT_LEAST, _X32, 0, 1), _step(_RETURN, _ERRNO | ENOSYS)]
    for name in ALLOWED:
        if name in numbers and (writable or name not in CHANGES):
            steps += [_step(_EQUAL, numbers[name], 0, 1), _step(_RETURN, _ALLOW)]
    for name, tests, refusal in _conditions():
        if name in numbers:
            inner = [*tests, _step(_RETURN, _ERRNO | refusal)]
            steps += [_step(_EQUAL, numbers[name], 0, len(inner)), *inner]
    steps += [_step(_EQUAL, numbers["clone3"], 0, 1), _step(_RETURN, _ERRNO | ENOSYS), _step(_RETURN, _ERRNO | EPERM)]
    return b"".join(steps)


def _conditions() -> Sequence[tuple[str, Sequence[bytes], int]]:
    """Calls that are allowed with some arguments only: the steps that allow them, and the refusal after those."""
    own = _if_argument(0, _WHOEVER)
    no_address = [_step(_LOAD, _low(4)), _step(_EQUAL, 0, 0, 3), _step(_LOAD, _low(4) + 4), _step(_EQUAL, 0, 0, 1),
                  _step(_RETURN, _ALLOW)]  # fmt: skip
    harmless = [_step(_LOAD, _low(1)), _step(_EQUAL, _DUPLICATE, 1, 0), _step(_AT_LEAST, _LAST_LOCK + 1, 1, 0),
                _step(_RETURN, _ALLOW)]  # fmt: skip
    thread = [_step(_LOAD, _low(0)), _step(_SET, _NEW_NAMESPACES, 2, 0), _step(_SET, _THREAD, 0, 1),
              _step(_RETURN, _ALLOW)]  # fmt: skip
    return [
        ("kill", own, EPERM), ("tgkill", own, EPERM), ("clone", thread, EPERM),
        ("prlimit64", _if_argument(0, 0), EPERM),
        ("socketpair", _if_argument(0, _AF_UNIX), EPERM), ("sendto", no_address, EPERM),
        ("ioctl", _if_argument(1, _FIONBIO), ENOTTY), ("fcntl", harmless, EPERM),
    ]  # fmt: skip


def _if_argument(place: int, value: int) -> list[bytes]:
    return [_step(_LOAD, _low(place)), _step(_EQUAL, value, 0, 1), _step(_RETURN, _ALLOW)]


def _low(place: int) -> int:
    """The lower half of an argument; both machines are little-endian."""
    return _ARGUMENT + 8 * place


def _step(code: int, value: int, then: int = 0, otherwise: int = 0) -> bytes:
    return struct.pack("HBBI", code, then, otherwise, value)
