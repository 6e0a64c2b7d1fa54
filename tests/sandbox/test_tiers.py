"""A tier holds only if it withstands an attack; each defence that is taken away is missed. What can't be is refused."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pytest_llmroute.errors import UserError
from pytest_llmroute.sandbox import jail as jail_module
from pytest_llmroute.sandbox import probe, run, tiers
from pytest_llmroute.sandbox.jail import Refused, Way
from pytest_llmroute.sandbox.tiers import Wish, find_way, from_environment, open_pool
from tests.sandbox.conftest import WAYS, Runner

ENDLESS = """Job._over = lambda *_: ''
it.limits.math.ceil = lambda seconds: 0
made = it.Job.__init__
it.Job.__init__ = lambda self, control, cpu, wall, space, **more: made(self, control, cpu, 60.0, space, **more)"""
ASK = "self._judge_side.call(self._judge_side.do('get', self, '__eq__'), (other,), {})"
WITHOUT = {
    "system calls": (WAYS, "inside.kernel", "seccomp = lambda **_: None", "starts processes"),
    "Landlock": (("restricted",), "inside.kernel", "landlock = lambda _: None", "reads files of the host"),
    "a file system of its own": (("isolated",), "inside.lockdown", "_mounts = lambda: None", "reads files of the host"),
    "limits": (WAYS, "inside.limits", "limit = lambda *_, **__: None", "memory has no limit"),
    "the watch over time": (WAYS, "inside.zygote", ENDLESS, "time has no limit"),
    "identity": (WAYS, "inside.judge", f"Proxy.__eq__ = lambda self, other: {ASK}", "a false answer passes"),
}
"""For each defence: where it is, what takes it away, and what can be done then."""


@pytest.mark.parametrize("way", WAYS)
def test_both_kinds_of_jails_withstand_the_attack(way: Way) -> None:
    assert probe.withstands(way) == []


@pytest.mark.parametrize(("way", "name"), [(way, name) for name, case in WITHOUT.items() for way in case[0]])
def test_without_a_defence_the_attack_gets_through(way: Way, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    _, module, change, reached = WITHOUT[name]
    weakened(monkeypatch, f"import {module} as it\nit.{change}")
    assert any(reached in hole for hole in probe.withstands(way))


@pytest.mark.skipif(os.getuid() != 0, reason="only root has something to drop")
@pytest.mark.parametrize("way", WAYS)
def test_root_that_is_not_dropped_is_noticed(way: Way, monkeypatch: pytest.MonkeyPatch) -> None:
    weakened(monkeypatch, "import inside.lockdown as it\nit.drop_root = lambda _: None")
    assert any("is root" in hole for hole in probe.withstands(way))


@pytest.mark.parametrize("way", WAYS)
def test_a_folder_that_is_not_cleared_is_noticed(way: Way, monkeypatch: pytest.MonkeyPatch) -> None:
    weakened(monkeypatch, "import inside.zygote as it\nit._wiped = lambda: True")
    runner = Runner(way, 1)
    runner("try: open('/tmp/left', 'w').close()\nexcept OSError: pass", "assert True")
    found = runner("import os\ndef f(): return os.path.exists('/tmp/left')", "assert f() is True").passed
    assert found is (way == "isolated")
    runner.pool.close()


def weakened(monkeypatch: pytest.MonkeyPatch, change: str) -> None:
    """Jails that are made from now on have this done to them first."""
    head, tail = jail_module.START.split("del sys.path[0]\n")
    change = change.replace("{", "{{").replace("}", "}}")
    monkeypatch.setattr(jail_module, "START", f"{head}{change}\ndel sys.path[0]\n{tail}")


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("call", ["unshare", "landlock_rules"])
def test_what_the_kernel_refuses_is_told(way: Way, call: str, monkeypatch: pytest.MonkeyPatch) -> None:
    change = f"import inside.kernel as it\ndef refuse(*_): raise PermissionError(1, '{call}: not permitted')\n"
    weakened(monkeypatch, f"{change}it.{call} = refuse")
    if (way == "isolated") == (call == "unshare"):
        with pytest.raises(Refused, match=f"{call}: not permitted"):
            probe.withstands(way)
    else:
        assert probe.withstands(way) == []


# Choosing


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache folder of its own, so that nothing is remembered."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path


def test_the_best_tier_is_taken_and_remembered_for_this_state_of_the_machine(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    attacks: list[str] = []

    def attack(way: str) -> list[str]:
        attacks.append(way)
        if way == "isolated":
            raise Refused("unshare 0x6e020000: Operation not permitted")
        return []

    monkeypatch.setattr(probe, "withstands", attack)
    assert [find_way(), find_way()] == ["restricted", "restricted"]
    assert attacks == ["isolated", "restricted"]
    kept = json.loads((home / "pytest-llmroute" / "sandbox.json").read_text())
    assert kept == {"state": probe.state(), "isolated": "unshare 0x6e020000: Operation not permitted", "restricted": ""}
    monkeypatch.setattr(probe, "state", lambda: "another machine")
    assert find_way() == "restricted"
    assert attacks == ["isolated", "restricted"] * 2


def test_where_no_tier_holds_it_is_refused_with_reasons_and_remedies(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probe, "withstands", lambda way: ["connects by TCP", "is root"])
    with pytest.raises(UserError) as caught:
        open_pool(Wish())
    text = caught.value.text()
    assert "isolated: connects by TCP; is root\n  restricted: connects by TCP; is root" in text
    assert "to fix it:" in text
    assert "--llm-sandbox=unsafe-local with LLMROUTE_ALLOW_UNSAFE=1" in text


def test_a_tier_that_was_forced_is_not_replaced_by_another(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "withstands", lambda way: ["a hole"] if way == "isolated" else [])
    with pytest.raises(UserError, match="isolated: a hole"):
        find_way("isolated")
    assert find_way("restricted") == "restricted"


def test_a_cache_that_is_broken_or_can_not_be_written_is_done_without(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probe, "withstands", lambda way: [])
    (home / "pytest-llmroute").mkdir()
    (home / "pytest-llmroute" / "sandbox.json").write_text("[1")
    assert find_way() == "isolated"
    monkeypatch.setenv("XDG_CACHE_HOME", "/proc/nowhere")
    assert find_way() == "isolated"


def test_other_systems_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(UserError, match="needs Linux") as caught:
        open_pool(Wish())
    assert "virtual machine" in caught.value.text()


def test_without_a_jail_it_must_be_said_twice() -> None:
    with pytest.raises(UserError, match="second word") as caught:
        open_pool(Wish("unsafe-local"))
    assert "LLMROUTE_ALLOW_UNSAFE=1" in caught.value.text()
    pool = open_pool(Wish("unsafe-local", unsafe=True))
    assert pool.tier == "unsafe-local"
    pool.close()


def test_the_environment_chooses_where_nobody_else_does(monkeypatch: pytest.MonkeyPatch) -> None:
    assert from_environment({}) == Wish()
    env = {"LLMROUTE_SANDBOX": "unsafe-local", "LLMROUTE_ALLOW_UNSAFE": "true"}
    assert from_environment(env) == Wish("unsafe-local", unsafe=True)
    monkeypatch.setattr(run, "_wish", None)
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    run.close()
    assert run.run_solution("x = 1", ["assert x == 1"], 2.0).tier == "unsafe-local"
    run.use(Wish())
    assert run.run_solution("x = 1", ["assert x == 1"], 2.0).tier == run.tier() == find_way()
    run.close()


def test_the_doctor_names_the_tier() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest_llmroute", "doctor"], capture_output=True, text=True, check=False
    )
    assert f"sandbox        {find_way()}: {tiers.ABOUT[find_way()][:30]}" in done.stdout


# As an ordinary user

ORDINARY = """
import sys
sys.path.insert(0, sys.argv[1])
from pytest_llmroute.sandbox import probe
from pytest_llmroute.sandbox.jail import Jail, Job
for way in ("isolated", "restricted"):
    assert probe.withstands(way) == [], way
    jail = Jail(way, 1)
    for code, status in (("def f(x): return x + 1", "pass"), ("f = abs", "fail"), ("import os\\nos.fork()", "error")):
        assert jail.run(Job({"code": code, "tests": ["assert f(1) == 2"], "setup": ""}, 2.0)).status == status
    jail.close()
    print(way, jail.facts["uid"])
"""


@pytest.mark.skipif(os.getuid() != 0, reason="already an ordinary user")
def test_an_ordinary_user_has_the_same_tiers(tmp_path_factory: pytest.TempPathFactory) -> None:
    """By an interpreter that everybody may run."""
    python = next((path for path in ("/usr/bin/python3", "/usr/local/bin/python3") if usable(path)), None)
    if python is None:
        pytest.skip("no Python 3.11 or newer that an ordinary user may run")
    folder = Path("/tmp") / f"llmroute-ordinary-{os.getpid()}"
    try:
        copied(Path(probe.__file__).parents[1], folder / "pytest_llmroute")
        done = as_nobody(python, "-c", ORDINARY, str(folder))
    finally:
        subprocess.run(["rm", "-rf", str(folder)], check=True)
    assert (done.stderr, done.returncode) == ("", 0)
    assert [line.split()[0] for line in done.stdout.splitlines()] == list(WAYS)


def usable(python: str) -> bool:
    return as_nobody(python, "-c", "import sys; sys.exit(sys.version_info < (3, 11))").returncode == 0


def as_nobody(*command: str) -> subprocess.CompletedProcess[str]:
    def drop() -> None:
        os.setgroups([])
        os.setresgid(65534, 65534, 65534)
        os.setresuid(65534, 65534, 65534)

    try:
        return subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=False,
            cwd="/",
            preexec_fn=drop,
            env={"PATH": "/usr/bin:/bin"},
        )
    except OSError:
        return subprocess.CompletedProcess(command, 1)


def copied(source: Path, target: Path) -> None:
    """What the sandbox is made of, where everybody may read it."""
    needed = ("__init__.py", "errors.py", "codes.py", "config/__init__.py", "config/options.py")
    for file in (*(source / name for name in needed), *source.glob("sandbox/**/*.py")):
        place = target / file.relative_to(source)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(file.read_bytes())
    for path in (target.parent, *target.parent.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
