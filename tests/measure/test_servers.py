"""A server is found by the port it listens on; its runners are its children."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pytest_llmroute.measure.member import Member
from pytest_llmroute.measure.servers import loopback_port, serving_pid, tree_of
from pytest_llmroute.measure.tree import open_member

from .conftest import Meter, Start, tell

MB = 1_000_000
linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells other processes' ports to everybody")
SERVER = """
import os, socket, sys, time
holding, holds = os.pipe()
parent = os.getpid()
listener = socket.create_server(("127.0.0.1", 0))
for _ in range(2):
    if os.fork() == 0:  # a runner inherits the socket, and holds a model
        held = bytearray(100_000_000)
        held[::4096] = bytes([1]) * len(held[::4096])
        os.write(holds, b".")
        while os.getppid() == parent: time.sleep(0.05)
        os._exit(0)
    os.read(holding, 1)
print("ready", flush=True)
for line in sys.stdin:
    if line == "port\\n":
        print(listener.getsockname()[1], flush=True)
    else:
        held = bytearray(int(line))
        held[::4096] = bytes([1]) * len(held[::4096])
        end = time.process_time() + 0.1
        while time.process_time() < end: pass
        del held
        print("done", flush=True)
"""


@pytest.fixture
def server(start: Start) -> tuple[subprocess.Popen[str], int]:
    """A server with two runners, each of which holds 100 MB."""
    child = start(SERVER)
    return child, int(tell(child, "port"))


@pytest.mark.parametrize(
    ("url", "port"),
    [
        ("http://127.0.0.1:11434", 11434), ("http://localhost:8000/v1", 8000), ("[::1]:9000", 9000),
        ("0.0.0.0:11434", 11434), ("https://127.8.8.8", 443), ("http://localhost", 80),
        ("http://192.168.0.7:11434", None), ("https://api.example.org/v1", None), ("http://localhost:port", None),
        ("", None),
    ],
)  # fmt: skip
def test_only_addresses_of_this_machine_are_looked_up(meter: Meter, url: str, port: int | None) -> None:
    assert (loopback_port(url) if url else None) == port
    assert (meter.watch(url) is None) == (port is None)


@linux
def test_a_server_that_forks_runners_is_measured_as_one(
    meter: Meter, server: tuple[subprocess.Popen[str], int]
) -> None:
    child, port = server
    assert serving_pid(port) == child.pid
    target = meter.watch(f"http://127.0.0.1:{port}")
    assert target is not None
    first = meter.begin(target)
    meter.found(target, first)
    assert meter.ended(first).rss_peak > 200 * MB
    for size in (300 * MB, 0):
        mark = meter.begin(target)
        tell(child, str(size))
        usage = meter.ended(mark)
        assert usage.rss_peak == pytest.approx(meter.ended(meter.begin(target)).rss_peak + size, rel=0.05)
        assert (usage.source, usage.scope) == ("high-water", "exact")
        assert 0.05 < usage.cpu_seconds < 3  # where memory is slow, that many pages take a second
    assert meter.ended(meter.begin()).rss_peak > 200 * MB  # it is a child of ours, too


@linux
def test_calls_at_the_same_time_share_a_server(meter: Meter, server: tuple[subprocess.Popen[str], int]) -> None:
    target = meter.watch(f"http://127.0.0.1:{server[1]}")
    first, second = meter.begin(target), meter.begin(target)
    assert target is not None
    meter.found(target, first)
    assert [meter.ended(mark).scope for mark in (first, second)] == ["shared", "shared"]


@linux
def test_other_workers_share_a_server_and_never_reset_its_marks(server: tuple[subprocess.Popen[str], int]) -> None:
    tell(server[0], str(300 * MB))
    meter = Meter(interval=0.05, several=True)
    target = meter.watch(f"http://127.0.0.1:{server[1]}")
    mark = meter.begin(target)
    assert target is not None
    meter.found(target, mark)
    usage = meter.ended(mark)
    meter.close()
    assert usage.rss_peak < 300 * MB
    assert (usage.scope, usage.source) == ("shared", "sampled")


def test_a_server_in_this_process_is_not_a_server(meter: Meter) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        assert serving_pid(port) is None
        mark = meter.begin(meter.watch(f"http://127.0.0.1:{port}"))
        time.sleep(0.1)
        assert meter.end(mark) is None


@linux
def test_a_server_that_ended_is_looked_for_again_and_never_found_in_another(
    meter: Meter, server: tuple[subprocess.Popen[str], int]
) -> None:
    child, port = server
    target = meter.watch(f"http://127.0.0.1:{port}")
    assert target is not None
    mark = meter.begin(target)
    meter.found(target, mark)
    child.kill()
    child.wait()
    time.sleep(0.15)
    assert meter.ended(mark).rss_peak > 0
    assert target.tree is not None
    assert not target.tree.alive
    assert meter.end(meter.begin(target)) is None


def _as(name: str, folder: Path) -> str:
    """The interpreter under another name."""
    path = folder / name
    shutil.copy(os.path.realpath(sys.executable), path)
    return str(path)


OLLAMA = """
import subprocess, sys, time
sleep = [sys.executable, "-c", "import time; time.sleep(30)"]
children = [subprocess.Popen([*sleep, *words]) for words in (
    ["runner", "--model", "blob-1"], ["runner", "--gpu-discovery"], ["runner", "--imagegen-engine", "--model", "x"])]
print(*(child.pid for child in children), flush=True)
sys.stdin.read()
for child in children: child.kill()
"""


@linux
def test_of_ollamas_children_those_with_a_model_count(tmp_path: Path) -> None:
    command = [_as("ollama", tmp_path), "-c", OLLAMA, "serve"]
    env = {**os.environ, "PYTHONHOME": sys.base_prefix}
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env) as served:
        assert served.stdout is not None
        pids = [int(pid) for pid in served.stdout.readline().split()]
        time.sleep(0.2)  # until each has become what it was started as
        root: Member | None = open_member(served.pid)
        assert root is not None
        tree = tree_of(root)
        tree.look()
        assert tree.by_model
        assert set(tree.members) == {served.pid, pids[0]}
        tree.close()
        served.communicate("")
