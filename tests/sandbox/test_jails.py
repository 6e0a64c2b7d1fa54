"""What a jail keeps in, what it leaves behind, and how the pool replaces it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from pytest_llmroute.sandbox import jail as jail_module
from pytest_llmroute.sandbox.jail import Jail, Job
from pytest_llmroute.sandbox.verdict import Tier
from tests.sandbox.conftest import WAYS, Runner

Left = Callable[[], list[psutil.Process]]
ADD = "def f(x): return x + 1"


def family() -> list[psutil.Process]:
    """The processes of jails that this process has."""
    found = []
    for child in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):
            if "inside.zygote" in " ".join(child.cmdline()):
                found.append(child)
    return found


@pytest.fixture
def left() -> Left:
    """The processes of jails that were made since the test began."""
    before = family()
    return lambda: [process for process in family() if process not in before]


def gone(processes: list[psutil.Process], within: float = 5.0) -> bool:
    until = time.monotonic() + within
    while any(process.is_running() and process.status() != psutil.STATUS_ZOMBIE for process in processes):
        if time.monotonic() > until:
            return False
        time.sleep(0.02)
    return True


OUT = {
    "starts a process": "import os\ndef f(): return os.fork()",
    "starts a program": "import subprocess\ndef f(): return subprocess.run(['/bin/true'])",
    "opens a socket": "import socket\ndef f(): return socket.socket().fileno()",
    "opens a packet socket": "import socket\ndef f(): return socket.socket(40, socket.SOCK_STREAM).fileno()",
    "signals its parent": "import os\ndef f(): return os.kill(os.getppid() or 1, 9)",
    "signals everybody": "import os\ndef f(): return os.kill(-1, 9)",
    "signals by a pipe": "import fcntl, os\ndef f(): return fcntl.fcntl(os.pipe()[0], 8, os.getppid() or 1)",
    "makes a namespace": "import ctypes\ndef f(): assert ctypes.CDLL(None).unshare(0x10000000) == 0",
    "becomes root": "import os\ndef f(): os.setuid(0)",
    "looks into its parent": "import os\ndef f(): return open(f'/proc/{os.getppid()}/environ').read()",
    "reads a secret of the system": "def f(): return open('/etc/passwd').read()",
    "writes into the home": "import os\ndef f(): return open(os.path.expanduser('~/x'), 'w')",
    "writes into the library": "import os\ndef f(): return open(os.__file__, 'a')",
    "changes a mode": "import os\ndef f(): return os.chmod(os.__file__, 0o777)",
    "changes a time": "import os\ndef f(): return os.utime(os.__file__)",
    "raises a limit": "import resource\ndef f(): resource.setrlimit(resource.RLIMIT_AS, (1 << 40, 1 << 40))",
    "limits its parent": "import os, resource as r\ndef f(): r.prlimit(os.getppid() or 1, r.RLIMIT_CPU, (0, 0))",
    "fills its folder": "def f():\n    for i in range(1000): open(f'/tmp/{i}', 'w').write('x')",
    "makes a memory file": "import os\ndef f(): return os.memfd_create('x')",
    "imports what is installed": "def f():\n    import pluggy",
}  # fmt: skip


@pytest.mark.parametrize("name", OUT)
def test_a_way_out_is_shut(jailed: Runner, name: str) -> None:
    verdict = jailed(OUT[name], "f()")
    assert verdict.status == "error"
    assert any(word in verdict.message for word in ("Error", "ended")), verdict.message


def test_nothing_of_one_solution_reaches_the_next(jailed: Runner) -> None:
    plant = """
import builtins, os, random, sys
builtins.planted = sys.modules["planted"] = 1
os.environ["PLANTED"] = "1"
random.seed(5)
try:
    os.makedirs("/tmp/planted/deep"); open("/tmp/planted/deep/x", "w").close(); os.chmod("/tmp/planted", 0)
except OSError: pass
"""
    look = """
import builtins, os, random, sys
try: found = os.listdir("/tmp")
except OSError: found = []
def f(): return [hasattr(builtins, "planted"), "planted" in sys.modules, "PLANTED" in os.environ, found]
def chance(): return random.random()
"""
    chance = [jailed(look, "print(chance())").output for _ in range(2)]
    for _ in range(3):
        assert jailed(plant, "assert True").passed
        assert jailed(look, "assert f() == [False, False, False, []]").passed
    assert chance[0] == chance[1]


def test_the_tests_are_nowhere_in_the_solvers_memory(jailed: Runner) -> None:
    code = """
import gc, sys
def f():
    frame, seen = sys._getframe(), []
    while frame:
        seen += [repr(dict(frame.f_locals)), repr(frame.f_code.co_consts)]
        frame = frame.f_back
    seen += [repr(item)[:10_000] for item in gc.get_objects() if isinstance(item, (str, list, tuple, dict))]
    return str(2 * int("41323") + 1) in "".join(seen)
"""
    assert jailed(code, "secret = 82647\nassert f() is False", "assert f() == False or 82647").passed


def test_many_threads_share_the_jails_and_get_their_own_verdicts(jailed: Runner) -> None:
    def one(number: int) -> bool:
        right = number % 3 > 0
        return jailed(f"def f(x): return x + {number + (not right)}", f"assert f(1) == {number + 1}").passed == right

    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(one, range(120)))
    assert len(family()) <= 2 * 2 * len(WAYS)


@pytest.mark.parametrize("way", WAYS)
def test_a_jail_outlives_the_thread_that_made_it(way: Tier) -> None:
    runner = Runner(way, 1)
    for _ in range(2):
        with ThreadPoolExecutor(1) as thread:
            verdict = thread.submit(runner, ADD, "assert f(1) == 2").result()
        assert (verdict.status, verdict.retried) == ("pass", False)
    runner.pool.close()


@pytest.mark.parametrize("way", WAYS)
def test_a_jail_that_is_killed_is_replaced_and_the_job_done_again(way: Tier, left: Left) -> None:
    runner = Runner(way, 1)
    assert runner(ADD, "assert f(1) == 2").passed
    mine = left()
    for process in mine:
        process.kill()
    assert gone(mine)
    verdict = runner(ADD, "assert f(1) == 2")
    assert (verdict.status, verdict.retried) == ("pass", True)
    runner.pool.close()
    assert gone(left())


@pytest.mark.parametrize("way", WAYS)
def test_a_jail_that_is_lost_twice_is_infrastructure(way: Tier, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jail_module, "START", "raise SystemExit")
    runner = Runner(way, 1)
    verdict = runner(ADD, "assert f(1) == 2")
    assert (verdict.status, verdict.retried, verdict.tier) == ("infra", True, way)
    assert "lost twice" in verdict.message
    monkeypatch.undo()
    assert runner(ADD, "assert f(1) == 2").passed
    runner.pool.close()


@pytest.mark.parametrize("way", WAYS)
def test_a_jail_is_replaced_after_a_signal_a_timeout_and_many_jobs(
    way: Tier, monkeypatch: pytest.MonkeyPatch, left: Left
) -> None:
    monkeypatch.setattr(jail_module, "JOBS", 3)
    jail = Jail(way, 1)  # type: ignore[arg-type]
    for worn in (False, False, True):
        jail.run(Job({"code": ADD, "tests": ["assert f(1) == 2"], "setup": ""}, 1.0))
        assert jail.worn is worn
    jail.close()
    for code in ("import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)", "while True: pass"):
        jail = Jail(way, 1)  # type: ignore[arg-type]
        jail.run(Job({"code": code, "tests": ["assert f(1) == 2"], "setup": ""}, 0.2))
        assert jail.worn
        jail.close()
    assert gone(left())


HOST = """
import sys, time
from pytest_llmroute.sandbox.jail import Jail, Job
jail = Jail(sys.argv[1], 1)
print("ready", flush=True)
jail.run(Job({"code": "import time\\ntime.sleep(30)", "tests": ["assert True"], "setup": ""}, 20.0))
"""


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGTERM])
def test_nothing_outlives_a_host_that_is_killed_in_the_middle_of_a_job(way: Tier, sent: int) -> None:
    with subprocess.Popen([sys.executable, "-c", HOST, way], stdout=subprocess.PIPE) as host:
        assert host.stdout is not None
        host.stdout.readline()
        time.sleep(0.3)
        children = psutil.Process(host.pid).children(recursive=True)
        assert len(children) >= 3
        host.send_signal(sent)
        host.wait()
    assert gone(children, 10)


def test_closing_ends_all_processes_and_leaves_no_mount_and_no_file(tmp_path: Path, left: Left) -> None:
    def seen() -> tuple[set[str], str]:
        with open("/proc/self/mounts") as mounts:
            return {*os.listdir("/tmp"), *os.listdir("/dev/shm")}, mounts.read()

    before = seen()
    for way in WAYS:
        runner = Runner(way, 2)
        with ThreadPoolExecutor(2) as threads:
            list(threads.map(runner, [ADD] * 6, ["assert f(1) == 2"] * 6))
        runner.pool.close()
    assert gone(left())
    after = seen()
    assert after[1] == before[1]
    assert not {name for name in after[0] - before[0] if "llmroute" in name}


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS)
def test_ten_thousand_executions_leave_nothing_and_do_not_grow(way: Tier, left: Left) -> None:
    runner = Runner(way, 2)
    own = psutil.Process()

    def some(hundreds: int) -> None:
        for _ in range(hundreds):
            with ThreadPoolExecutor(2) as threads:
                verdicts = list(threads.map(runner, [ADD] * 100, ["assert f(1) == 2"] * 100))
            assert all(verdict.passed and not verdict.retried for verdict in verdicts)

    some(10)
    held, files = own.memory_info().rss, own.num_fds()
    some(90)
    assert own.memory_info().rss < held + 8e6
    assert own.num_fds() <= files + 2
    runner.pool.close()
    assert gone(left())
