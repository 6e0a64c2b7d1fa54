"""RAM and CPU of this process and of real children."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest

from pytest_llmroute.measure.machine import machine_facts
from pytest_llmroute.measure.portable import PortableMember
from pytest_llmroute.measure.tree import Tree, open_member

from .conftest import Meter, Start, tell

MB = 1_000_000
SPIKE = """
import sys, time
print("ready", flush=True)
for line in sys.stdin:
    held = bytearray(int(line))
    held[::4096] = bytes([1]) * len(held[::4096])
    time.sleep(0.05)
    del held
    print("done", flush=True)
"""
"""Holds as many bytes as it is told for 50 ms, and lives on."""

linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux keeps a high-water mark that can be reset")


def test_a_childs_memory_is_seen(meter: Meter, start: Start) -> None:
    mark = meter.begin()
    child = start("held = bytearray(200_000_000); print('ready', flush=True); import time; time.sleep(30)")
    time.sleep(0.2)
    usage = meter.ended(mark)
    child.kill()
    child.wait()
    assert usage.rss_peak > 200 * MB + 5 * MB
    assert usage.rss_average <= usage.rss_peak
    time.sleep(0.2)
    assert meter.ended(meter.begin()).rss_peak < usage.rss_peak - 150 * MB


@linux
def test_a_child_that_holds_300_mb_for_50_ms_is_seen_by_the_high_water_mark(slow_meter: Meter, start: Start) -> None:
    child = start(SPIKE)
    idle = slow_meter.ended(slow_meter.begin())
    for size in (300 * MB, 100 * MB, 300 * MB):
        mark = slow_meter.begin()
        tell(child, str(size))
        usage = slow_meter.ended(mark)
        assert usage.rss_peak - idle.rss_peak == pytest.approx(size, rel=0.05)
        assert (usage.source, usage.scope) == ("high-water", "exact")
        assert usage.rss_average < idle.rss_peak + 30 * MB  # no sample has seen it


ONE_CHILD = """
import subprocess, sys
from pytest_llmroute.measure.meter import ProcessMeter
ONCE = "import time; held = bytearray(int(%d)); time.sleep(0.05)"
meter = ProcessMeter(interval=60)
own = meter.end(meter.begin()).rss_peak
for size in map(int, sys.argv[1:]):
    mark = meter.begin()
    subprocess.run([sys.executable, "-c", ONCE % size], check=True)
    usage = meter.end(mark)
    print(usage.rss_peak - own, usage.source)
"""


@linux
def test_a_child_that_holds_300_mb_for_50_ms_and_ends_is_seen_by_the_kernels_account_of_ended_children() -> None:
    """Only the largest so far has such an account: where a later one is smaller, the record says `sampled`."""
    command = [sys.executable, "-c", ONE_CHILD, *map(str, (300 * MB, 400 * MB, 200 * MB))]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    first, second, third = (line.split() for line in done.stdout.splitlines())
    assert int(first[0]) == pytest.approx(310 * MB, rel=0.05)  # with its interpreter
    assert int(second[0]) == pytest.approx(410 * MB, rel=0.05)
    assert [first[1], second[1], third[1]] == ["high-water", "high-water", "sampled"]


LARGE_PARENT = """
import subprocess
from pytest_llmroute.measure.meter import ProcessMeter
held = bytearray(200_000_000)
meter = ProcessMeter(interval=60)
mark = meter.begin()
subprocess.run(["true"], check=True)
print(meter.end(mark).rss_peak)
"""


@linux
def test_what_a_parent_held_when_it_started_a_child_is_not_counted_as_the_childs() -> None:
    """Linux starts a child's account with its parent's memory."""
    done = subprocess.run([sys.executable, "-c", LARGE_PARENT], check=True, capture_output=True, text=True)
    assert 200 * MB < int(done.stdout) < 260 * MB


@linux
def test_a_spike_of_this_process_itself_is_seen(slow_meter: Meter) -> None:
    before = slow_meter.ended(slow_meter.begin()).rss_peak
    mark = slow_meter.begin()
    held = bytearray(300 * MB)
    held[::4096] = bytes([1]) * len(held[::4096])
    del held
    usage = slow_meter.ended(mark)
    assert usage.rss_peak - before == pytest.approx(300 * MB, rel=0.05)
    assert usage.source == "high-water"
    assert slow_meter.ended(slow_meter.begin()).rss_peak < before + 50 * MB  # the mark begins anew


@linux
def test_where_the_mark_can_not_be_reset_it_counts_when_it_rises(
    slow_meter: Meter, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pytest_llmroute.measure.highwater.LinuxMember.begin_anew", lambda member: None)
    child = start(SPIKE)
    found = []
    for size in (100 * MB, 300 * MB, 100 * MB):
        mark = slow_meter.begin()
        tell(child, str(size))
        found.append(slow_meter.ended(mark))
    assert found[1].rss_peak - found[2].rss_peak == pytest.approx(300 * MB, rel=0.05)
    assert found[2].source == "sampled"


def test_cpu_seconds_of_a_busy_loop_and_of_a_sleep(meter: Meter) -> None:
    mark = meter.begin()
    started = time.process_time()
    while time.process_time() - started < 0.3:
        pass
    busy = meter.ended(mark)
    assert 0.25 < busy.cpu_seconds < 0.6
    mark = meter.begin()
    time.sleep(0.3)
    assert meter.ended(mark).cpu_percent < 50


def test_cpu_of_a_finished_child_is_counted(meter: Meter) -> None:
    mark = meter.begin()
    subprocess.run([sys.executable, "-c", "import time\nwhile time.process_time() < 0.5: pass"], check=True)
    assert 0.4 < meter.ended(mark).cpu_seconds < 1.5


def test_marks_that_overlap_are_shared(meter: Meter) -> None:
    outer = meter.begin()
    inner = meter.begin()
    first, second = meter.ended(inner), meter.ended(outer)
    assert first.seconds <= second.seconds
    assert [first.scope, second.scope, meter.ended(meter.begin()).scope] == ["shared", "shared", "exact"]


def test_pss_counts_shared_pages_once(meter: Meter) -> None:
    if sys.platform != "linux":
        pytest.skip("only Linux tells PSS")
    mark = meter.begin()
    time.sleep(0.3)
    usage = meter.ended(mark)
    assert usage.pss is not None
    assert 0 < usage.pss < usage.rss_peak


def test_the_series_of_a_session(meter: Meter) -> None:
    assert meter.series("main") is None
    mark = meter.begin()
    time.sleep(0.3)
    usage = meter.ended(mark)
    series = meter.series("main")
    assert series is not None
    assert 2 <= len(series.rows) <= 7
    assert (series.worker, series.step) == ("main", 0.05)
    at, rss, percent, server, *_ = series.rows[-1]
    assert at is not None and 0 < at < 1  # noqa: PT018
    assert rss is not None and abs(rss - usage.rss_average) < 50 * MB  # noqa: PT018
    assert percent is not None
    assert server is None


@linux
def test_a_process_whose_pid_is_anothers_by_now_reads_as_gone() -> None:
    """A later owner of the pid is made by starting processes until the numbers come round."""
    first = subprocess.Popen(["sleep", "30"])
    member = open_member(first.pid)
    assert member is not None
    assert member.look() is not None
    first.kill()
    first.wait()
    heir = _reuse(first.pid)
    try:
        assert member.look() is None
        assert member.begin_anew() is None
        assert member.open_pss()() is None
        assert member.children() == []
        later = open_member(first.pid)
        assert later is not None
        assert later.look() is not None
        later.close()
    finally:
        heir.kill()
        heir.wait()
        member.close()


def _reuse(pid: int) -> subprocess.Popen[bytes]:
    last = "/proc/sys/kernel/ns_last_pid"
    if not os.access(last, os.W_OK):
        pytest.skip("this user may not say which pid comes next")
    for _ in range(200):
        with open(last, "w", encoding="ascii") as file:
            file.write(str(pid - 1))
        heir = subprocess.Popen(["sleep", "30"])
        if heir.pid == pid:
            return heir
        heir.kill()
        heir.wait()
    pytest.skip("others took the pid each time")


def test_other_systems_read_a_process_through_psutil(start: Start) -> None:
    child = start(SPIKE)
    member = PortableMember(child.pid)
    seen = member.look()
    assert seen is not None
    assert seen.rss > MB
    assert (member.begin_anew(), member.open_pss()(), member.children()) == (None, None, None)
    tree = Tree(PortableMember(os.getpid()))
    assert not tree.quick
    assert tree.look().rss > seen.rss
    assert child.pid in tree.members
    child.kill()
    child.wait()
    assert member.look() is None
    assert tree.look().ended >= seen.rss // 2
    tree.close()


NO_PERMISSION = """
import ctypes, os, resource, signal, sys, time
from pytest_llmroute.measure.meter import ProcessMeter
from pytest_llmroute.measure.tree import open_member
dumpable = lambda value: ctypes.CDLL(None).prctl(4, value)
if os.getuid() == 0:
    os.setuid(65534)  # root may read everything
    dumpable(1)
end, begin = os.pipe()
ready, done = os.pipe()
child = os.fork()
if child == 0:
    dumpable(0)
    os.write(done, b".")
    os.read(end, 1)
    held = bytearray(200_000_000)
    os.write(done, b".")
    os.read(end, 1)
    del held
    os.write(done, b".")
    time.sleep(30)
    os._exit(0)
os.read(ready, 1)
meter = ProcessMeter(interval=0.05)
mark = meter.begin()
os.write(begin, b".")
os.read(ready, 1)
first = meter.end(mark)
os.write(begin, b".")
os.read(ready, 1)
mark = meter.begin()
second = meter.end(mark)
member = open_member(child)
print(first.rss_peak > 200_000_000, second.rss_peak < 200_000_000, first.source, second.source)
print(second.pss, member.begin_anew())
os.kill(child, signal.SIGKILL)
os.wait()
"""


@linux
def test_a_child_that_may_not_be_read_closely_is_sampled() -> None:
    """It has told the kernel that nobody may look into it: no reset, no PSS. A mark that rises counts all the same."""
    done = subprocess.run([sys.executable, "-c", NO_PERMISSION], capture_output=True, text=True, check=False)
    assert (done.stdout.split(), done.stderr) == (["True", "True", "high-water", "sampled", "None", "None"], "")


def test_the_meter_stays_cheap(start: Start) -> None:
    child = start(SPIKE)
    meter = Meter()
    meter.ended(meter.begin())
    began, cpu = time.perf_counter(), time.process_time()
    for _ in range(500):
        meter.end(meter.begin())
    per_mark = (time.process_time() - cpu) / 500
    time.sleep(1.5)
    share = meter.spent / (time.perf_counter() - began)
    meter.close()
    child.kill()
    # Bounds for a busy machine; bench/measured.py holds the figures against their targets.
    assert per_mark < 0.0005
    assert share < 0.02


def test_machine_facts_name_nobody() -> None:
    assert set(machine_facts()) == {"system", "machine", "cpu", "gpus", "cores", "ram_bytes", "python"}
