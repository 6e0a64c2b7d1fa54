"""What of Daytona's tier needs no SDK: the judge as it is carried there, seals, what errors mean, and refusals."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib import util
from pathlib import Path
from typing import Any

import pytest

from pytest_llmroute.codes import Code
from pytest_llmroute.core.redact import Redactor
from pytest_llmroute.errors import UserError
from pytest_llmroute.sandbox.daytona import luggage
from pytest_llmroute.sandbox.daytona.opening import open_daytona, sweep
from pytest_llmroute.sandbox.daytona.remote import verdict_of
from pytest_llmroute.sandbox.daytona.seal import JOB, TAKEN, Broken, sealed, unsealed
from pytest_llmroute.sandbox.daytona.trouble import Kind, TookTooLong, trouble_of
from pytest_llmroute.sandbox.jail import Job, Lost
from pytest_llmroute.sandbox.verdict import Inside

KEY = "k" * 64
TASK = {"code": "def f(x): return x + 1", "tests": ["assert f(1) == 2"], "setup": ""}


class There:
    """A folder in which the carried judge runs, as it does in a sandbox."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / luggage.ARCHIVE).write_bytes(luggage.packed())
        self.first = True

    def run(self, order: dict[str, Any], *, without_job: bool = False, edit: tuple[str, str] = ("", "")) -> int:
        job = self.folder / f"{JOB}1"
        if not without_job:
            job.write_text(json.dumps({"key": KEY, "answer": "answer-1", "within": 60, **order}))
        command = luggage.command(str(self.folder), job.name, first=self.first)
        command = command.replace(edit[0], edit[1].replace("'", '"')) if edit[0] else command
        self.first = False
        env = {"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin", "PYTHONPATH": "/nonexistent"}
        return subprocess.run(command, shell=True, env=env, cwd=self.folder).returncode

    def asked(self, order: dict[str, Any]) -> Any:
        assert self.run(order) == 0
        return self.answer()

    def answer(self) -> Any:
        return unsealed(KEY, (self.folder / "answer-1").read_bytes())

    def judged(self, inside: Inside, task: dict[str, Any]) -> Any:
        return self.asked({"task": task, "timeout": 2.0, "memory": 1 << 29, "inside": inside})["verdict"]


@pytest.fixture
def there(tmp_path: Path) -> There:
    return There(tmp_path)


def test_the_carried_judge_needs_nothing_but_an_interpreter(there: There) -> None:
    told = there.asked({"task": None, "ways": ["isolated", "restricted"]})
    assert told["inside"] in ("isolated", "restricted", "pair")
    for code, status in (("def f(x): return x + 1", "pass"), ("def f(x): return 8264", "fail")):
        assert there.judged(told["inside"], {**TASK, "code": code})["status"] == status


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("def f(x): return x + 1", "pass"),
        ("def f(x): return 8264", "fail"),
        ("import os\nos.fork()\ndef f(x): return x + 1", "error"),
        ("import socket\nsocket.socket()\ndef f(x): return x + 1", "error"),
        ("import subprocess\nsubprocess.run(['true'])\ndef f(x): return x + 1", "error"),
        ("def f(x): return len(bytearray(900_000_000))", "memory"),
    ],
)  # fmt: skip
def test_without_a_jail_a_solution_still_has_only_the_calls_of_a_calculation(
    there: There, code: str, status: str
) -> None:
    if sys.platform != "linux":
        pytest.skip("calls are filtered on Linux")
    assert there.judged("pair", {**TASK, "code": code})["status"] == status


def test_without_a_jail_the_solver_of_a_judge_that_is_root_is_another_user(there: There) -> None:
    if os.getuid() != 0:
        pytest.skip("not root")
    code = "import os\ndef f(x): return [os.getuid(), os.geteuid(), os.getgid(), os.getegid()]"
    tests = ["assert 0 not in f(1), f(1)"]
    verdict = there.judged("pair", {**TASK, "code": code, "tests": tests})
    assert verdict["status"] == "pass", verdict


def test_a_way_that_does_not_hold_is_told_with_its_reason(there: There) -> None:
    start = "from pytest_llmroute.sandbox.daytona.there import main"
    holes = f"{start}; from pytest_llmroute.sandbox import probe; probe.withstands = lambda way: [way + ' leaks']"
    assert there.run({"task": None, "ways": ["isolated", "restricted"]}, edit=(start, holes)) == 0
    assert there.answer() == {
        "inside": "pair", "lacks": {"isolated": "isolated leaks", "restricted": "restricted leaks"},
    }  # fmt: skip


def test_a_job_is_run_once(there: There) -> None:
    there.judged("pair", TASK)
    assert not list(there.folder.glob(f"{JOB}*"))
    assert there.run({}, without_job=True) == TAKEN


def test_an_older_answer_is_gone_when_the_next_job_starts(there: There) -> None:
    (there.folder / "answer-old").write_text("old")
    there.judged("pair", TASK)
    assert [path.name for path in there.folder.glob("answer-*")] == ["answer-1"]


def test_an_interpreter_that_is_too_old_is_told(there: There) -> None:
    assert there.run({"task": None, "ways": []}, edit=("(3, 11)", "(99, 0)")) == luggage.OLD


# Seals


def test_a_seal_is_broken_by_any_other_byte_or_key() -> None:
    data = sealed(KEY, {"status": "fail"})
    assert unsealed(KEY, data) == {"status": "fail"}
    for place in (*range(64), *range(65, len(data))):
        with pytest.raises(Broken):
            unsealed(KEY, data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
    for spoilt in (b"", data[:-1], data + b" ", data[65:]):
        with pytest.raises(Broken):
            unsealed(KEY, spoilt)
    with pytest.raises(Broken):
        unsealed("j" * 64, data)


GOOD: dict[str, Any] = {
    "status": "pass", "message": "", "held": [True], "output": "", "output_bytes": 0, "cpu_seconds": 0.1,
    "rss_peak": 1, "seconds": 0.1,
}  # fmt: skip


@pytest.mark.parametrize(
    "change",
    [
        {"held": []}, {"held": [False]}, {"held": [1]}, {"held": [True, True]}, {"held": 1}, {"message": None},
        {"output": 3}, {"output_bytes": "many"}, {"cpu_seconds": None}, {"rss_peak": float("inf")}, {"seconds": []},
    ],
    ids=str,
)  # fmt: skip
def test_a_pass_that_does_not_hold_together_is_none(change: dict[str, Any]) -> None:
    job = Job(TASK, 1.0)
    assert verdict_of(GOOD, job, "isolated").passed
    with pytest.raises(Lost):
        verdict_of({**GOOD, **change}, job, "isolated")
    nothing: tuple[Any, ...] = (None, [], "pass", {})
    for told in nothing:
        with pytest.raises(Lost):
            verdict_of(told, job, "isolated")


def test_a_status_that_nobody_knows_is_infra() -> None:
    assert verdict_of({**GOOD, "status": "PASS"}, Job(TASK, 1.0), "isolated").status == "infra"


# What errors mean


class DaytonaError(Exception):
    def __init__(self, message: str, status_code: int | None = None, headers: dict[str, str] | None = None) -> None:
        self.message, self.status_code, self.headers = message, status_code, headers or {}
        super().__init__(message)


class DaytonaTimeoutError(DaytonaError):
    pass


class ApiException(Exception):
    """As the generated clients raise them."""

    def __init__(self, status: int, headers: dict[str, str] | None = None) -> None:
        self.status, self.headers = status, headers or {}
        super().__init__(f"({status})")


class HTTPStatusError(Exception):
    """As httpx raises them."""

    def __init__(self, status: int) -> None:
        self.response = type("Response", (), {"status_code": status, "headers": {"retry-after": "7"}})()
        super().__init__(f"Client error {status}")


def from_cause(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "kind", "wait"),
    [
        (DaytonaError("x", 401), Kind.KEY, 0),
        (DaytonaError("x", 403), Kind.REFUSED, 0),
        (DaytonaError("x", 422), Kind.REFUSED, 0),
        (DaytonaError("x", 404), Kind.GONE, 0),
        (DaytonaError("x", 409), Kind.CONFLICT, 0),
        (DaytonaError("x", 429, {"Retry-After": "3"}), Kind.BUSY, 3),
        (DaytonaError("x", 429, {"retry-after": "soon"}), Kind.BUSY, 0),
        (DaytonaTimeoutError("x", 504), Kind.BUSY, 0),
        (DaytonaTimeoutError("x", 408), Kind.LATE, 0),
        (DaytonaTimeoutError("x"), Kind.LATE, 0),
        (ApiException(502), Kind.BUSY, 0),
        (ApiException(401), Kind.KEY, 0),
        (ApiException(429, {"RETRY-AFTER": "2.5"}), Kind.BUSY, 2.5),
        (from_cause(DaytonaError("x"), HTTPStatusError(404)), Kind.GONE, 7),
        (from_cause(DaytonaError("x"), ConnectionResetError("x")), Kind.BUSY, 0),
        (from_cause(DaytonaError("x"), TimeoutError("x")), Kind.LATE, 0),
        (DaytonaError("x"), Kind.OTHER, 0),
        (ValueError("x"), Kind.OTHER, 0),
        (TookTooLong("60"), Kind.LATE, 0),
    ],
    ids=repr,
)  # fmt: skip
def test_an_error_of_any_client_is_understood(error: Exception, kind: Kind, wait: float) -> None:
    trouble = trouble_of(error, "asking", str)
    assert (trouble.kind, trouble.wait) == (kind, wait)
    assert str(trouble).startswith("asking: ")


def test_a_service_that_repeats_the_key_does_not_bring_it_into_a_message() -> None:
    redacted = Redactor({"DAYTONA_API_KEY": "dtn_secret-of-the-user"})
    trouble = trouble_of(DaytonaError("no rights for dtn_secret-of-the-user", 403), "asking", redacted)
    assert str(trouble) == "asking: answered 403: no rights for [DAYTONA_API_KEY]"


# Refusals


def with_sdk(monkeypatch: pytest.MonkeyPatch, there_is: bool) -> None:
    monkeypatch.setattr(util, "find_spec", lambda name, package=None: object() if there_is else None)


def test_without_the_extra_its_command_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with_sdk(monkeypatch, False)
    with pytest.raises(UserError, match="needs the package daytona") as caught:
        open_daytona({"DAYTONA_API_KEY": "dtn_x"})
    assert (caught.value.code, caught.value.fix) == (Code.SANDBOX, "pip install 'pytest-llmroute[daytona]'")


def test_without_a_key_its_variable_is_named_and_what_it_costs(monkeypatch: pytest.MonkeyPatch) -> None:
    with_sdk(monkeypatch, True)
    for call in (lambda: open_daytona({}), lambda: sweep(env={"DAYTONA_API_KEY": ""})):
        with pytest.raises(UserError, match="needs a key, and DAYTONA_API_KEY is not set") as caught:
            call()
        assert caught.value.code is Code.SANDBOX
        assert "bills" in caught.value.means
        assert "export DAYTONA_API_KEY=" in caught.value.fix
        assert "--llm-sandbox=auto" in caught.value.instead


def test_nothing_of_it_is_imported_before_it_is_chosen() -> None:
    script = (
        "import sys\n"
        "from pytest_llmroute.sandbox import run\n"
        "from pytest_llmroute.sandbox.tiers import Wish, open_pool\n"
        "open_pool(Wish('unsafe-local', unsafe=True)).close()\n"
        "print([name for name in sys.modules if 'daytona' in name])\n"
    )
    env = {**os.environ, "DAYTONA_API_KEY": "dtn_x"}
    done = subprocess.run([sys.executable, "-c", script], env=env, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
