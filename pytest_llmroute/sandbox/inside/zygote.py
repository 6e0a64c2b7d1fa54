"""A warm interpreter in its jail: for each job it forks a judge and a solver, watches them, and clears up.

It never reads a job: the judge does, after both have been forked, so the tests are in no process that a solver comes
from.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import random
import select
import shutil
import signal
import socket
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from typing import NoReturn

from . import kernel, limits, lockdown
from .channel import Channel
from .judge import judge
from .protocol import END, GRACE, HEADER, LENGTH, MORE, PIECE, VERDICT
from .solver import Solver
from .streams import KEPT, captured, open_output, printed

LOOK = 0.5
JUDGE_MORE = 2.0
"""Seconds of CPU that the judge may use beyond the solver's."""
WARM = """
abc array ast base64 bisect calendar cmath collections.abc contextlib copy csv ctypes dataclasses datetime decimal
difflib enum fractions functools hashlib heapq inspect itertools json keyword locale math numbers operator pprint
queue random re reprlib resource secrets statistics string struct textwrap threading time timeit traceback types
typing unicodedata uuid weakref zlib
"""
"""What a solution imports without waiting for it."""


def main(way: str, number_of_jail: int, control_file: int) -> None:
    control = socket.socket(fileno=control_file)
    for name in WARM.split():
        importlib.import_module(name)
    held = limits.address_space() or 0
    try:
        isolated = way == "isolated"
        if isolated:
            lockdown.isolate()
            _enter_as_first_process(control, number_of_jail)
        else:
            lockdown.restrict(number_of_jail)
        lockdown.unprivileged(number_of_jail)
    except OSError as error:
        control.send(json.dumps({"refused": str(error)}).encode())
        return
    sys.path[:] = [entry for entry in sys.path if entry and os.path.isdir(entry)]
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGCHLD])
    gc.collect()
    gc.freeze()
    control.send(json.dumps({"uid": os.geteuid(), "landlock": 0 if isolated else kernel.landlock_version()}).encode())
    while header := control.recv(HEADER.size):
        cpu, wall, memory = HEADER.unpack(header)
        Job(control, cpu, wall, held + memory, isolated=isolated).run()


def _enter_as_first_process(control: socket.socket, number_of_jail: int) -> None:
    """The new process numbers hold for children only: the one that stays outside just waits.

    Neither ends with its parent by the kernel's doing: for that a thread of the host counts as the parent.
    """
    child = os.fork()
    if child == 0:
        return
    control.close()
    lockdown.unprivileged(number_of_jail)
    os.waitpid(child, 0)
    os._exit(0)


class Job:
    """One solution, from fork to clearing up."""

    def __init__(self, control: socket.socket, cpu: float, wall: float, space: int, *, isolated: bool) -> None:
        self._control = control
        self._cpu, self._wall, self._space = cpu, wall, space
        self._isolated = isolated
        self._ended: dict[int, tuple[int, float, int]] = {}
        """Of each process that has ended: wait status, seconds of CPU, highest RSS."""
        self._left = select.poll()
        self._left.register(control, select.POLLHUP)
        """Tells when the host has gone."""
        self._fell = False
        """Whether the solver ended before anybody ended it."""

    def run(self) -> None:
        ours, theirs = socket.socketpair()
        self._output = open_output()
        solver = _forked(lambda: self._solve(ours, theirs))
        referee = _forked(lambda: self._judge(ours, theirs))
        ours.close()
        theirs.close()
        os.close(self._output)
        why = self._watch(solver, referee)
        status, cpu, rss = self._ended[solver]
        told = {
            "why": why, "cpu": cpu, "rss": rss * 1024, "judge": self._ended[referee][0],
            "signal": self._fell_by(why, status),
        }  # fmt: skip
        if self._isolated:
            assert os.getpid() == 1  # elsewhere this would end everything that the user runs
            _end(-1)
            told["worn"] = not _wiped()
        with suppress(OSError):  # the host may have gone
            self._control.send(END + json.dumps(told).encode())

    def _fell_by(self, why: str, status: int) -> int:
        """The signal that ended the solver, but for ours: the judge may be gone before the solver that it lost."""
        if why or not os.WIFSIGNALED(status):
            return 0
        sent = os.WTERMSIG(status)
        return sent if self._fell or sent != signal.SIGKILL else 0

    def _solve(self, ours: socket.socket, theirs: socket.socket) -> None:
        self._control.close()
        ours.close()
        channel = Channel(theirs.fileno(), theirs.fileno())
        captured(self._output)
        os.close(self._output)
        limits.limit(self._cpu, self._space, count_threads=os.geteuid() >= lockdown.FIRST_UID)
        random.seed(0)
        kernel.seccomp(writable=self._isolated)
        Solver(channel).serve()

    def _judge(self, ours: socket.socket, theirs: socket.socket) -> None:
        theirs.close()
        kernel.prctl(kernel.PR_SET_DUMPABLE, 0)
        limits.limit(self._cpu + JUDGE_MORE, self._space + limits.JUDGE_MEMORY)
        output = os.dup(self._output)
        control = os.dup(self._control.fileno())
        captured(os.open(os.devnull, os.O_RDWR))
        kernel.seccomp(writable=self._isolated)
        sys.setrecursionlimit(5000)
        job = _received(control)
        channel = Channel(ours.fileno(), ours.fileno())
        verdict = judge(channel, job, lambda: printed(output))
        verdict |= {"output": printed(output, KEPT), "output_bytes": os.fstat(output).st_size}
        data = json.dumps(verdict).encode()
        for place in range(0, len(data), PIECE):
            os.write(control, (MORE if place + PIECE < len(data) else VERDICT) + data[place : place + PIECE])

    def _watch(self, solver: int, referee: int) -> str:
        """Ends both when the judge is done or a limit is reached; says which."""
        began = time.monotonic()
        why, until = "", began + self._wall
        while referee not in self._ended:
            now = time.monotonic()
            if not why:
                why = self._over(solver, referee)
                if not why and now >= until:
                    why = "clock"
                if not why and self._left.poll(0):
                    why = "host"
                if why and solver not in self._ended:
                    _end(solver)
                if why:
                    until = now + GRACE
            elif now >= until:
                _end(referee)
            left = self._cpu - _cpu_of(solver) if solver not in self._ended else LOOK
            self._reap(min(max(0.002, min(left / 2, until - now)), LOOK), solver, referee)
        self._fell = solver in self._ended
        while solver not in self._ended:
            _end(solver)
            self._reap(LOOK, solver)
        return why

    def _over(self, solver: int, referee: int) -> str:
        if solver not in self._ended and _cpu_of(solver) > self._cpu:
            return "cpu"
        return "judge" if _cpu_of(referee) > self._cpu + JUDGE_MORE else ""

    def _reap(self, within: float, *pids: int) -> None:
        """Waits for a process to end, or until the time is over."""
        signal.sigtimedwait([signal.SIGCHLD], within)
        for pid in pids:
            if pid not in self._ended:
                found, status, usage = os.wait4(pid, os.WNOHANG)
                if found:
                    self._ended[pid] = (status, usage.ru_utime + usage.ru_stime, usage.ru_maxrss)


def _forked(work: Callable[[], None]) -> int:
    """A child that does this and nothing else."""
    parent = os.getpid()
    pid = os.fork()
    if pid:
        return pid
    return _child(work, parent)


def _child(work: Callable[[], None], parent: int) -> NoReturn:
    try:
        kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)
        signal.pthread_sigmask(signal.SIG_SETMASK, [])
        work()
    except BaseException:
        os._exit(1)
    os._exit(0)


def _received(control: int) -> dict[str, object]:
    """A job: its length, then its pieces."""
    (left,) = LENGTH.unpack(os.read(control, LENGTH.size))
    pieces = []
    while left > 0:
        piece = os.read(control, 1 << 20)
        if not piece:
            raise EOFError
        pieces.append(piece)
        left -= len(piece)
    job: dict[str, object] = json.loads(b"".join(pieces))
    return job


def _cpu_of(pid: int) -> float:
    """Seconds of all threads of a process so far."""
    try:
        return time.clock_gettime((~pid << 3) | 2)
    except OSError:
        return 0.0


def _end(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def _wiped() -> bool:
    """Whether nothing of the solution's is in the scratch folder any more; else the jail is not used again."""
    try:
        for entry in os.scandir(lockdown.SCRATCH):
            if entry.is_dir(follow_symlinks=False):
                shutil.rmtree(entry.path)
            else:
                os.unlink(entry.path)
    except OSError:
        return False
    return True
