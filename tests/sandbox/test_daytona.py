"""Daytona by its real SDK, against a loopback server that really runs what is sent; the service was never asked."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from importlib import util
from pathlib import Path
from typing import Any

import pytest

if util.find_spec("daytona") is None:
    pytest.skip("needs the extra daytona", allow_module_level=True)

from pytest_llmroute.codes import Code
from pytest_llmroute.errors import UserError
from pytest_llmroute.sandbox import run
from pytest_llmroute.sandbox.daytona import service
from pytest_llmroute.sandbox.daytona.opening import RemotePool, open_daytona, sweep
from pytest_llmroute.sandbox.daytona.remote import WAYS
from pytest_llmroute.sandbox.daytona.seal import ANSWER, JOB, sealed
from pytest_llmroute.sandbox.daytona.service import LABEL, LABELLED, Patience
from pytest_llmroute.sandbox.jail import Job
from pytest_llmroute.sandbox.tiers import Wish, open_pool
from pytest_llmroute.sandbox.verdict import Inside, SolutionVerdict
from pytest_llmroute.testing.daytona_server import LoopbackDaytona, Made

QUICK = Patience(first=0.01)
NOBODY = 65534
GOOD, WRONG = "def f(x): return x + 1", "def f(x): return 8264"
INSIDES: tuple[Inside, ...] = ("isolated", "restricted", "pair")


class Remote:
    """A pool against a server of ours."""

    def __init__(self, server: LoopbackDaytona, ways: tuple[Inside, ...] = WAYS, **more: Any) -> None:
        more.setdefault("patience", QUICK)
        self.server = server
        self.pool: RemotePool = open_daytona(env_of(server), ways=ways, **more)
        self.inside: Inside = self.pool._idle[0].inside  # type: ignore[attr-defined]

    def __call__(self, code: str, *tests: str, timeout: float = 2.0, **more: Any) -> SolutionVerdict:
        tests = tests or ("assert f(1) == 2",)
        return self.pool.run(Job({"code": code, "tests": list(tests), "setup": ""}, timeout, **more))

    def program(self, code: str, stdin: str, expected: str) -> SolutionVerdict:
        return self.pool.run(Job({"code": code, "stdin": stdin, "expected": expected}, 2.0))


def env_of(server: LoopbackDaytona) -> dict[str, str]:
    return {"DAYTONA_API_KEY": server.key, "DAYTONA_API_URL": server.url}


def ways_to(inside: Inside) -> tuple[Inside, ...]:
    return () if inside == "pair" else (inside,)


@pytest.fixture
def server() -> Iterator[LoopbackDaytona]:
    with LoopbackDaytona() as server:
        yield server


@pytest.fixture
def opened(server: LoopbackDaytona) -> Iterator[Callable[..., Remote]]:
    """Opens pools that end with the test."""
    pools: list[RemotePool] = []

    def open_one(ways: tuple[Inside, ...] = WAYS[:1], **more: Any) -> Remote:
        remote = Remote(server, ways, **more)
        pools.append(remote.pool)
        return remote

    yield open_one
    server.faults.clear()
    for pool in pools:
        pool.close()
    assert server.sandboxes == {}


@pytest.fixture(scope="module", params=INSIDES)
def remote(request: pytest.FixtureRequest) -> Iterator[Remote]:
    """One pool for each kind of jail within the sandbox."""
    with LoopbackDaytona(environment={"OF_THE_SERVICE": "llmroute-planted"}) as server:
        remote = Remote(server, ways_to(request.param))
        if remote.inside != request.param:
            remote.pool.close()
            pytest.skip(f"no {request.param} jail holds on this machine")
        yield remote
        remote.pool.close()
        assert server.sandboxes == {}


# Verdicts


@pytest.mark.parametrize(
    ("code", "test", "status", "told"),
    [
        (GOOD, "assert f(1) == 2", "pass", ""),
        (WRONG, "assert f(1) == 2", "fail", "did not hold"),
        ("def f(x): return x / 0", "assert f(1) == 2", "error", "ZeroDivisionError"),
        ("def f(x:", "assert f(1) == 2", "error", "SyntaxError"),
        ("import os\nos._exit(0)", "assert f(1) == 2", "error", "ended its process"),
        ("def f(x):\n    while True: pass", "assert f(1) == 2", "timeout", "used up"),
        ("def f(x): return len(bytearray(900_000_000))", "assert f(1) == 2", "memory", "MemoryError"),
    ],
)  # fmt: skip
def test_a_verdict_comes_back(remote: Remote, code: str, test: str, status: str, told: str) -> None:
    verdict = remote(code, test, timeout=0.6)
    assert (verdict.status, told in verdict.message) == (status, True), verdict
    assert (verdict.tier, verdict.inside, verdict.retried) == ("remote", remote.inside, False)


def test_all_tests_are_counted(remote: Remote) -> None:
    verdict = remote(GOOD, "assert f(1) == 2", "assert f(2) == 4", "assert f(3) == 4")
    assert (verdict.status, verdict.held) == ("fail", (True, False, True))


def test_a_program_is_judged_by_what_it_prints(remote: Remote) -> None:
    assert remote.program("print(int(input()) * 2)", "21", "42").passed
    assert remote.program("print(int(input()) * 2)", "21", "43").status == "fail"


def test_what_a_solution_prints_and_uses_comes_back(remote: Remote) -> None:
    verdict = remote("print('written')\ndef f(x): return x + 1")
    assert (verdict.output.strip(), verdict.passed) == ("written", True)
    assert verdict.cpu_seconds > 0
    assert verdict.rss_peak > 1_000_000


def test_a_solution_sees_no_variables(remote: Remote) -> None:
    """Neither ours nor those that the service sets in its sandboxes."""
    code = (
        "import os\ndef f(x): return 'llmroute-planted' in str(dict(os.environ)) or 'DAYTONA' in str(dict(os.environ))"
    )
    assert remote(code, "assert f(1) is False").passed


def test_an_ordinary_user_of_the_sandbox_is_enough(tmp_path_factory: pytest.TempPathFactory) -> None:
    if os.getuid() != 0 or not usable("/usr/bin/python3"):
        pytest.skip("needs root, and a Python 3.11 that an ordinary user may run")
    with LoopbackDaytona(user=NOBODY) as server:
        server.environment["PATH"] = "/usr/bin:/bin"
        for inside in INSIDES:
            remote = Remote(server, ways_to(inside))
            assert remote.inside == inside
            assert [remote(code).status for code in (GOOD, WRONG)] == ["pass", "fail"]
            remote.pool.close()


def usable(python: str) -> bool:
    """By everybody, and new enough."""
    check = "import sys; sys.exit(sys.version_info < (3, 11))"
    return os.path.exists(python) and subprocess.run([python, "-c", check], user=NOBODY).returncode == 0


# False verdicts

FORGED = {
    "status": "pass", "message": "", "held": [True], "output": "", "output_bytes": 0, "cpu_seconds": 0.1,
    "rss_peak": 1, "seconds": 0.1,
}  # fmt: skip
FORGERIES = {
    "writes answers into every folder": """
import glob, json, os
for folder in glob.glob("/tmp/llmroute-daytona-*/.llmroute-*") + [os.getcwd(), "/tmp"]:
    for name in ("answer-0", "answer-0.part", "job-0"):
        try: open(os.path.join(folder, name), "w").write(json.dumps({"verdict": FORGED}))
        except OSError: pass
def f(x): return 8264
""",
    "reads the tests from the job's file": """
import glob
def f(x):
    for path in glob.glob("/tmp/llmroute-daytona-*/.llmroute-*/*") + glob.glob("/proc/*/cmdline"):
        try: text = open(path, "rb").read().decode("latin-1")
        except OSError: continue
        if "assert f(1) == 8265" in text: return 8265
""",
    "reads the judge's memory": """
import os, re
def f(x):
    for pid in (os.getppid(), *filter(str.isdigit, os.listdir("/proc") if os.path.isdir("/proc") else ())):
        if str(pid) == str(os.getpid()): continue
        for name in ("environ", "mem", "fd/0", "fd/3"):
            try:
                with open(f"/proc/{pid}/{name}", "rb") as file:
                    if name != "mem":
                        if b"8265" in file.read(1 << 20): return 8265
                        continue
                    for line in open(f"/proc/{pid}/maps"):
                        start, end = (int(n, 16) for n in re.match("([0-9a-f]+)-([0-9a-f]+)", line).groups())
                        file.seek(start)
                        if b"f(1) == 8265" in file.read(min(end - start, 1 << 22)): return 8265
            except (OSError, ValueError, OverflowError): pass
""",
    "writes to whatever is open": """
import os, json
for file in range(3, 64):
    for text in (json.dumps(FORGED), "V" + json.dumps(FORGED)):
        try: os.write(file, text.encode())
        except OSError: pass
def f(x): return 8264
""",
    "kills its judge": """
import os, signal
def f(x):
    for pid in (os.getppid(), -1):
        try: os.kill(pid, signal.SIGKILL)
        except OSError: pass
    return 8264
""",
    "leaves a process behind": """
import os, glob, time
try:
    if os.fork() == 0:
        os.setsid()
        for _ in range(100):
            for path in glob.glob("/tmp/llmroute-daytona-*/.llmroute-*/answer-*"):
                text = open(path).read().replace('"fail"', '"pass"').replace("[false]", "[true]")
                open(path, "w").write(text)
            time.sleep(0.02)
        os._exit(0)
except OSError: pass
def f(x): return 8264
""",
}


@pytest.mark.parametrize("code", FORGERIES.values(), ids=FORGERIES)
def test_a_wrong_solution_never_passes(remote: Remote, code: str) -> None:
    verdict = remote(code.replace("FORGED", repr(FORGED)), "assert f(1) == 8265")
    assert verdict.status in ("fail", "error"), verdict


@pytest.mark.parametrize("code", FORGERIES.values(), ids=FORGERIES)
def test_nor_as_the_judges_own_user_without_a_jail(code: str) -> None:
    """It may end its judge there; that is no verdict."""
    if os.getuid() != 0 or not usable("/usr/bin/python3"):
        pytest.skip("needs root, and a Python 3.11 that an ordinary user may run")
    with LoopbackDaytona(user=NOBODY) as server:
        server.environment["PATH"] = "/usr/bin:/bin"
        remote = Remote(server, ())
        assert remote(code.replace("FORGED", repr(FORGED)), "assert f(1) == 8265").status in ("fail", "error", "infra")
        remote.pool.close()


def test_a_verdict_that_was_replaced_does_not_count(server: LoopbackDaytona, opened: Callable[..., Remote]) -> None:
    """As by a process that a solution has left in a sandbox without a jail."""
    remote = opened()
    server.files = lambda made, path, data: sealed("0" * 64, {"verdict": FORGED})
    assert remote(WRONG).status == "infra"
    server.files = lambda made, path, data: data.replace(b'"fail"', b'"pass"').replace(b"[false]", b"[true]")
    assert remote(WRONG).status == "infra"


def test_a_verdict_of_an_earlier_job_does_not_count(server: LoopbackDaytona, opened: Callable[..., Remote]) -> None:
    remote = opened()
    kept: list[bytes] = []
    server.files = lambda made, path, data: kept.append(data) or data  # type: ignore[func-returns-value]
    assert remote(GOOD).passed
    server.files = lambda made, path, data: kept[0]
    assert remote(WRONG).status == "infra"


def test_no_file_of_a_job_is_left_when_its_solution_starts(
    server: LoopbackDaytona, opened: Callable[..., Remote]
) -> None:
    """An answer is the only thing that a job leaves, until the next one or the sandbox's end."""
    remote = opened(())
    seen: list[list[str]] = []

    def look() -> None:
        while len(seen) < 400:
            folders = [made.folder for made in list(server.sandboxes.values())]
            seen.append([path.name for folder in folders for path in folder.glob(".llmroute-*/*")])
            time.sleep(0.01)

    watcher = threading.Thread(target=look)
    watcher.start()
    code = "import time\nfor n in range(20): time.sleep(0.1)\ndef f(x): return 2"
    assert remote(code).passed
    watcher.join()
    busy = [names for names in seen if names and not any(name.startswith(ANSWER) for name in names)]
    assert len([names for names in busy if not any(name.startswith(JOB) for name in names)]) > 50


# What is sent


def test_a_sandbox_is_closed_to_the_network_and_ends_by_itself(
    server: LoopbackDaytona, opened: Callable[..., Remote]
) -> None:
    opened()
    (request,) = server.asked("POST", "/api/sandbox")
    body = request.body
    assert body["networkBlockAll"] is True
    assert body["env"] == {}
    assert body["labels"][LABEL] == LABELLED
    assert body["public"] is False
    assert (body["autoDeleteInterval"], body["autoStopInterval"], body["ttlMinutes"]) == (0, 15, 120)
    assert set(body) <= {
        "name", "env", "labels", "public", "networkBlockAll", "autoDeleteInterval", "autoStopInterval", "ttlMinutes",
        "volumes", "target",
    }  # fmt: skip
    assert all("envs" not in request.body for request in server.asked("POST", "/process/execute"))


def test_nothing_of_ours_is_sent(
    server: LoopbackDaytona, opened: Callable[..., Remote], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither variables nor names of folders nor, in anything but its header, the key."""
    monkeypatch.setenv("OTHER_API_KEY", "sk-another-secret-of-the-user")
    assert opened()(GOOD).passed
    for request in server.requests:
        sent = b" ".join((request.path.encode(), str(request.query).encode(), request.data))
        for secret in (server.key, "sk-another-secret", str(Path.home()), os.getcwd(), sys.executable):
            assert secret.encode() not in sent
        assert [name for name, value in request.headers.items() if server.key in value] == ["authorization"]


def test_a_target_is_passed_on(server: LoopbackDaytona) -> None:
    open_daytona({**env_of(server), "DAYTONA_TARGET": "eu"}, ways=()).close()
    assert server.asked("POST", "/api/sandbox")[0].body["target"] == "eu"


def test_the_judge_is_carried_once_for_many_jobs(server: LoopbackDaytona, opened: Callable[..., Remote]) -> None:
    remote = opened()
    for _ in range(3):
        assert remote(GOOD).passed
    uploads = [len(request.data) for request in server.asked("POST", "/files/bulk-upload")]
    assert uploads[0] > 10_000
    assert max(uploads[1:]) < 2_000
    assert (len(uploads), len(server.asked("POST", "/api/sandbox"))) == (4, 1)


def test_without_a_jail_inside_no_sandbox_is_used_twice(server: LoopbackDaytona, opened: Callable[..., Remote]) -> None:
    remote = opened(())
    for _ in range(2):
        assert remote(GOOD).passed
    assert (len(server.deleted), len(server.sandboxes)) == (2, 0)


def test_jobs_run_at_once_in_sandboxes_of_their_own(server: LoopbackDaytona, opened: Callable[..., Remote]) -> None:
    remote = opened(size=2)
    code = "import time\ntime.sleep(1.5)\ndef f(x): return x + 1"
    with ThreadPoolExecutor(3) as threads:
        assert all(verdict.passed for verdict in threads.map(lambda _: remote(code), range(3)))
    assert len(server.asked("POST", "/api/sandbox")) == 2


# Chosen, or never asked


def test_nothing_is_asked_before_it_is_chosen(server: LoopbackDaytona, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in env_of(server).items():
        monkeypatch.setenv(name, value)
    open_pool(Wish()).close()
    assert server.requests == []
    pool = open_pool(Wish("daytona"))
    assert pool.tier == "remote"
    assert pool.run(Job({"code": GOOD, "tests": ["assert f(1) == 2"], "setup": ""}, 2.0)).passed
    pool.close()
    assert server.sandboxes == {}


def test_the_functions_of_the_sandbox_use_it(server: LoopbackDaytona, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in env_of(server).items():
        monkeypatch.setenv(name, value)
    run.use(Wish("daytona"))
    try:
        assert run.tier() == "remote"
        assert run.run_solution(GOOD, ["assert f(1) == 2"], 2.0).passed
        assert run.run_program("print(1)", "", "1", 2.0).tier == "remote"
    finally:
        run.use(Wish())
    assert server.sandboxes == {}


# Refusals


def refusal(env: Mapping[str, str]) -> UserError:
    with pytest.raises(UserError) as caught:
        open_daytona(env, patience=QUICK)
    assert caught.value.code is Code.SANDBOX
    return caught.value


def test_a_key_that_is_not_accepted_is_told_at_once(server: LoopbackDaytona) -> None:
    error = refusal({**env_of(server), "DAYTONA_API_KEY": "dtn_wrong-key-of-the-user"})
    assert "does not accept the key in DAYTONA_API_KEY" in error.what
    assert "bills" in error.means
    assert "--llm-sandbox=auto" in error.instead
    assert "wrong-key" not in error.text()
    assert len(server.requests) == 1


def test_a_service_that_gives_no_sandbox_says_why(server: LoopbackDaytona) -> None:
    server.most = 0
    error = refusal(env_of(server))
    assert "refuses a sandbox" in error.what
    assert "Total limit of 0 sandboxes exceeded" in error.means


def test_a_service_that_is_down_is_told_after_some_tries(server: LoopbackDaytona) -> None:
    server.fail("POST", "/api/sandbox", 503, times=99)
    assert "no sandbox could be had" in refusal(env_of(server)).what
    assert len(server.asked("POST", "/api/sandbox")) == QUICK.tries
    server.faults.clear()
    error = refusal({"DAYTONA_API_KEY": "dtn_x", "DAYTONA_API_URL": "http://127.0.0.1:9/api"})
    assert "no connection" in error.means


def test_a_network_that_stays_open_is_refused(server: LoopbackDaytona) -> None:
    server.blocks = False
    assert "its network is not blocked" in refusal(env_of(server)).means
    assert (server.sandboxes, len(server.deleted)) == ({}, 1)


def test_a_sandbox_without_python_is_told(server: LoopbackDaytona) -> None:
    server.environment["PATH"] = "/nonexistent"
    error = refusal(env_of(server))
    assert "its judge ended with status 127" in error.means
    assert "python3" in error.means
    assert server.sandboxes == {}


def test_no_key_is_ever_in_a_message(server: LoopbackDaytona, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    server.fail("POST", "/api/sandbox", 403, message=f"key {server.key} is not allowed to do this")
    error = refusal(env_of(server))
    assert "key [DAYTONA_API_KEY] is not allowed" in error.means
    remote = Remote(server, ())
    server.fail("POST", "/process/execute", 500, times=99, message=f"Bearer {server.key} …")
    verdict = remote(GOOD)
    remote.pool.close()
    assert verdict.status == "infra"
    for text in (error.text(), caplog.text, verdict.message):
        assert server.key not in text


# Trouble

CALLS = [
    ("POST", "/files/bulk-upload"),
    ("POST", "/process/execute"),
    ("POST", "/files/bulk-download"),
]


@pytest.mark.parametrize(("method", "path"), CALLS)
@pytest.mark.parametrize("status", [429, 500, 502, 503])
def test_trouble_that_passes_changes_no_verdict(
    server: LoopbackDaytona, opened: Callable[..., Remote], method: str, path: str, status: int
) -> None:
    remote = opened(())
    for code, wanted in ((GOOD, "pass"), (WRONG, "fail")):
        server.fail(method, path, status, times=2)
        verdict = remote(code)
        assert (verdict.status, verdict.retried) == (wanted, False)


@pytest.mark.parametrize(("method", "path"), CALLS)
@pytest.mark.parametrize("status", [400, 403, 404, 408, 429, 502])
def test_trouble_that_stays_is_infra(
    server: LoopbackDaytona, opened: Callable[..., Remote], method: str, path: str, status: int
) -> None:
    """Once more in a new sandbox, which has it too; never the solution's failure."""
    remote = opened(())
    server.fail(method, path, status, times=99)
    verdict = remote(WRONG)
    assert (verdict.status, verdict.retried, verdict.tier) == ("infra", True, "remote")


@pytest.mark.parametrize(("method", "path"), CALLS)
def test_a_connection_that_breaks_changes_no_verdict(
    server: LoopbackDaytona, opened: Callable[..., Remote], method: str, path: str
) -> None:
    remote = opened(())
    for late in (False, True):
        server.cut(method, path, late=late)
        assert (remote(WRONG).status, server.faults[-1].times) == ("fail", 0)


def test_a_job_whose_answer_got_lost_on_the_way_is_not_run_twice(
    server: LoopbackDaytona, opened: Callable[..., Remote]
) -> None:
    """The second try finds no job; the verdict of the first one counts."""
    remote = opened()
    server.fail("POST", "/process/execute", 502, late=True)
    verdict = remote(GOOD)
    assert (verdict.status, verdict.retried) == ("pass", False)
    executed = server.asked("POST", "/process/execute")
    assert executed[-1].body["command"] == executed[-2].body["command"]


def test_a_job_that_is_still_running_is_waited_for(server: LoopbackDaytona, opened: Callable[..., Remote]) -> None:
    """As behind a gateway that gives up sooner than the judge does."""
    remote = opened()
    server.give_up = 0.5
    code = "import time\ntime.sleep(2)\ndef f(x): return x + 1"
    verdict = remote(code)
    assert (verdict.status, verdict.retried) == ("pass", False)


def test_the_service_is_given_the_time_that_it_asks_for(server: LoopbackDaytona, opened: Callable[..., Remote]) -> None:
    remote = opened(())
    server.fail("POST", "/process/execute", 429, Retry_After="1")
    began = time.monotonic()
    assert remote(GOOD).passed
    assert time.monotonic() - began > 1
    server.fail("POST", "/process/execute", 429, times=99, Retry_After="3600")
    began = time.monotonic()
    assert remote(GOOD).status == "infra"
    assert time.monotonic() - began < 30


def test_no_call_waits_for_as_long_as_an_answer_tells_it_to(
    server: LoopbackDaytona, opened: Callable[..., Remote], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The HTTP library sleeps by itself where a GET or DELETE is told to come back in an hour."""
    monkeypatch.setattr(service, "DELETED_WITHIN", 1)
    remote = opened(())
    server.fail("DELETE", "/api/sandbox/", 429, Retry_After="3600")
    began = time.monotonic()
    remote.pool.close()
    assert time.monotonic() - began < 20
    remote.pool._end()


def test_a_sandbox_that_takes_its_time_is_waited_for(server: LoopbackDaytona, opened: Callable[..., Remote]) -> None:
    server.polls = 3
    assert opened(())(GOOD).passed
    assert len(server.asked("GET", "/api/sandbox/")) >= 3


@pytest.mark.parametrize("status", [0, 500, 502])
def test_a_creation_whose_answer_got_lost_leaves_no_sandbox(
    server: LoopbackDaytona, opened: Callable[..., Remote], status: int
) -> None:
    if status:
        server.fail("POST", "/api/sandbox", status, late=True)
    else:
        server.cut("POST", "/api/sandbox", late=True)
    opened()
    assert (len(server.deleted), len(server.sandboxes)) == (1, 1)


def test_a_dead_sandbox_is_replaced(
    server: LoopbackDaytona, opened: Callable[..., Remote], caplog: pytest.LogCaptureFixture
) -> None:
    remote = opened()
    server.lose()
    verdict = remote(WRONG)
    assert (verdict.status, verdict.retried) == ("fail", True)
    assert "the sandbox has ended" in caplog.text
    assert len(server.asked("POST", "/api/sandbox")) == 2
    server.lose(forgotten=True)
    assert (remote(GOOD).status, len(server.asked("POST", "/api/sandbox"))) == ("pass", 3)


def test_a_sandbox_that_dies_within_a_job_is_replaced(server: LoopbackDaytona, opened: Callable[..., Remote]) -> None:
    remote = opened()
    killer = threading.Timer(0.7, server.lose)
    killer.start()
    code = "import time\ntime.sleep(2)\ndef f(x): return x + 1"
    verdict = remote(code)
    assert (verdict.status, verdict.retried) == ("pass", True)


@pytest.mark.parametrize(
    ("spoilt", "told"),
    [
        (lambda made, path, data: None, "file not found"),
        (lambda made, path, data: b"", "No file data received"),
        (lambda made, path, data: data[:-3], "not one of its judge"),
        (lambda made, path, data: b"pass", "not one of its judge"),
        (lambda made, path, data: b"x" * (3 << 20), "larger than a verdict can be"),
    ],
    ids=["missing", "empty", "cut", "garbled", "too large"],
)  # fmt: skip
def test_a_verdict_that_is_missing_or_garbled_is_infra(
    server: LoopbackDaytona,
    opened: Callable[..., Remote],
    spoilt: Callable[[Made, str, bytes], bytes | None],
    told: str,
) -> None:
    remote = opened()
    server.files = spoilt
    verdict = remote(GOOD)
    assert (verdict.status, verdict.retried, told in verdict.message) == ("infra", True, True), verdict
    server.files = lambda made, path, data: data
    assert remote(GOOD).passed


def test_where_no_more_sandboxes_can_be_had_those_that_are_there_do_the_work(
    server: LoopbackDaytona, opened: Callable[..., Remote], caplog: pytest.LogCaptureFixture
) -> None:
    server.most = 2
    remote = opened(size=4)
    with ThreadPoolExecutor(4) as threads:
        verdicts = list(threads.map(lambda _: remote(GOOD), range(8)))
    assert [verdict.status for verdict in verdicts] == ["pass"] * 8
    assert len(server.sandboxes) == 2
    assert "2 remote sandboxes, and no more" in caplog.text


# The end


@pytest.mark.parametrize("status", [404, 409, 429, 502])
def test_a_deletion_is_done_or_tried_again(
    server: LoopbackDaytona, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    remote = Remote(server, ())
    server.fail("DELETE", "/api/sandbox/", status, late=status in (404, 409))
    remote.pool.close()
    assert server.sandboxes == {}
    assert "it ends by itself" not in caplog.text


def test_what_could_not_be_deleted_is_deleted_at_the_end(
    server: LoopbackDaytona, caplog: pytest.LogCaptureFixture
) -> None:
    remote = Remote(server, ())
    server.fail("DELETE", "/api/sandbox/", 502, times=99)
    remote.pool.close()
    assert len(server.sandboxes) == 1
    assert "it ends by itself within 120 minutes" in caplog.text
    server.faults.clear()
    remote.pool._end()
    assert server.sandboxes == {}


def test_nothing_runs_after_the_end(server: LoopbackDaytona) -> None:
    before = threading.enumerate()
    remote = Remote(server, size=2)
    with ThreadPoolExecutor(2) as threads:
        list(threads.map(lambda _: remote("def f(x):\n    while True: pass", timeout=0.3), range(2)))
    remote.pool.close()
    assert server.sandboxes == {}
    assert all(process.poll() is not None for made in server.deleted for process in made.running)
    assert not any(made.folder.exists() for made in server.deleted)
    left = [thread.name for thread in threading.enumerate() if thread not in before]
    assert [name for name in left if name.startswith("llmroute-daytona")] == []
    assert remote(GOOD).status == "infra"


AT_EXIT = """
import os, sys
from pytest_llmroute.sandbox import run
from pytest_llmroute.sandbox.daytona import service
from pytest_llmroute.sandbox.tiers import Wish
run.use(Wish("daytona"))
assert run.run_solution("def f(x): return x + 1", ["assert f(1) == 2"], 2.0).passed
pool = run._pools[os.getpid()]
taken = pool._taken(False)  # as by a thread that is in the middle of a job
if sys.argv[1:]: raise KeyboardInterrupt
"""


@pytest.mark.parametrize("how", [[], ["interrupted"]])
def test_a_process_that_ends_leaves_no_sandbox(server: LoopbackDaytona, how: list[str]) -> None:
    env = {**os.environ, **env_of(server)}
    done = subprocess.run([sys.executable, "-c", AT_EXIT, *how], env=env, capture_output=True, text=True)
    assert (done.returncode == 0) is not bool(how), done.stderr
    assert server.asked("POST", "/api/sandbox")
    assert server.sandboxes == {}


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no timers here")
def test_an_alarm_of_somebody_else_stays_armed(server: LoopbackDaytona) -> None:
    """The SDK would use it for its own limits in the main thread."""
    rang: list[int] = []
    before = signal.signal(signal.SIGALRM, lambda number, frame: rang.append(number))
    signal.setitimer(signal.ITIMER_REAL, 300)
    try:
        Remote(server, ()).pool.close()
        assert signal.getitimer(signal.ITIMER_REAL)[0] > 200
        assert rang == []
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


# The sweeper


@pytest.mark.parametrize("filters", [True, False])
def test_the_sweeper_deletes_old_sandboxes_of_ours_alone(server: LoopbackDaytona, filters: bool) -> None:
    """Whether the service looks at labels or not."""
    ours, theirs = {LABEL: LABELLED}, {"team": "another"}
    old = [server.made_before(timedelta(hours=hours), ours).id for hours in (3, 4, 5)]
    kept = [
        server.made_before(timedelta(minutes=5), ours).id,
        server.made_before(timedelta(hours=9), theirs).id,
        server.made_before(timedelta(hours=9), {LABEL: "other"}).id,
    ]
    server.filters = filters
    assert sweep(timedelta(hours=2), env_of(server), patience=QUICK) == old
    assert list(server.sandboxes) == kept
    assert sweep(timedelta(0), env_of(server)) == kept[:1]


def test_the_sweeper_says_what_it_could_not_do(server: LoopbackDaytona) -> None:
    server.made_before(timedelta(hours=3), {LABEL: LABELLED})
    server.fail("DELETE", "/api/sandbox/", 502, times=99)
    assert sweep(timedelta(hours=2), env_of(server), patience=QUICK) == []
    with pytest.raises(UserError, match="does not accept the key"):
        sweep(env={**env_of(server), "DAYTONA_API_KEY": "dtn_wrong-key-of-the-user"})
