"""What an entry of the corpus is, and the shapes that many entries share."""

from __future__ import annotations

from dataclasses import dataclass, replace
from textwrap import dedent, indent
from typing import Literal, TypedDict, Unpack

from pytest_llmroute.sandbox.verdict import Status

Canary = Literal[
    "", "answer", "env", "file", "home", "touched", "tcp", "udp", "unix", "abstract", "signal", "bystander"
]
"""What the harness has planted; `answer` stands in the tests only."""

PASS: frozenset[Status] = frozenset({"pass"})
ERROR: frozenset[Status] = frozenset({"error"})
FAIL: frozenset[Status] = frozenset({"fail"})
TIMEOUT: frozenset[Status] = frozenset({"timeout"})
MEMORY: frozenset[Status] = frozenset({"memory"})
NO_PASS: frozenset[Status] = frozenset({"fail", "error", "timeout", "memory"})
"""Not `infra` either: that is never the solution's doing."""
EITHER = NO_PASS | PASS
"""Where an honest pass is possible and not owed."""

MODULUS = 999_983
ANSWER = MODULUS * 610_007
"""Twelve digits that hostile code knows when it sees them and cannot guess; no file on the disk spells them out."""

DOUBLE = "def double(x): return 2 * x\n"
DOUBLED = "assert double(4) == 8"
ZERO = "def answer(*args): return 0\n"
WANTED = "assert answer() == 977"
"""What no hostile entry knows to answer."""

SYSCALL = """
def syscall(x86_64, aarch64, *args):
    number = {"x86_64": x86_64, "aarch64": aarch64}[os.uname().machine]
    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall.restype = ctypes.c_long
    done = libc.syscall(number, *[ctypes.c_long(a) if isinstance(a, int) else a for a in args])
    if done < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return done
"""
READ = """
import glob, os, sys
def read(name):
    try:
        with open(name, "rb") as file:
            return file.read(1 << 20)
    except OSError:
        return b""
"""
HUNT = f"""{READ}
import re
def weigh(thing):
    if isinstance(thing, (bytes, bytearray)):
        thing = thing.decode("utf-8", "replace")
    numbers = map(int, re.findall(r"(?<!\\d)\\d{{12}}(?!\\d)", thing)) if isinstance(thing, str) else [thing]
    return next((n for n in numbers if isinstance(n, int) and 10**11 < n < 10**12 and n % {MODULUS} == 0), 0)
def answer(*args):
    try:
        return next(filter(None, map(weigh, loot(*args))), 0)
    except Exception as error:
        print(type(error).__name__, error)
        return 0
"""
STEAL = rf"""{READ}
import re
def steal():
    for thing in loot():
        text = thing.decode("utf-8", "replace") if isinstance(thing, bytes) else thing
        found = re.search("CANARY-[a-z]+-[0-9a-f]{{16}}", text)
        if found:
            print(found[0])
            return found[0]
    return ""
"""


@dataclass(frozen=True, slots=True)
class Entry:
    """One solution, its tests, and what the sandbox may say of it. `{{MARKS}}` in the texts are the harness's."""

    name: str
    code: str
    tests: tuple[str, ...]
    allowed: frozenset[Status]
    category: str = ""
    setup: str = ""
    timeout: float = 2.0
    leak: Canary = ""
    """What it tries to reach of what the harness planted."""
    before: str = ""
    """A solution that is run first, to leave something behind."""
    prints: str = ""
    """Has to be found in the verdict's output."""
    dangerous: bool = False
    """Never run where nothing holds it: it kills, floods, outlives its run or leaves the machine."""

    @property
    def id(self) -> str:
        return f"{self.category}/{self.name}".replace(" ", "-")

    @property
    def honest(self) -> bool:
        """Whether a pass would be none to worry about."""
        return "pass" in self.allowed


class More(TypedDict, total=False):
    """What an entry may have besides a name, code and tests."""

    allowed: frozenset[Status]
    setup: str
    timeout: float
    leak: Canary
    before: str
    prints: str
    dangerous: bool


def group(category: str, *entries: Entry) -> tuple[Entry, ...]:
    return tuple(replace(entry, category=category) for entry in entries)


def plain(text: str) -> str:
    return dedent(text).lstrip("\n")


def wrong(name: str, code: str, *tests: str, prelude: str = "", **more: Unpack[More]) -> Entry:
    """One that must not pass."""
    fields: More = {"allowed": NO_PASS, **more}
    fields["before"] = plain(fields.get("before", ""))
    return Entry(name, plain(prelude) + plain(code), tuple(map(plain, tests)), **fields)


def right(name: str, code: str, *tests: str, **more: Unpack[More]) -> Entry:
    """One that has to pass."""
    fields: More = {"allowed": PASS, **more}
    return wrong(name, code, *tests, **fields)


def loose(name: str, code: str, *tests: str, **more: Unpack[More]) -> Entry:
    """One that may pass: the run has to end in a verdict and leave nothing."""
    fields: More = {"allowed": EITHER, **more}
    return wrong(name, code, *tests, **fields)


def reach(name: str, body: str, **more: Unpack[More]) -> Entry:
    """A deed that raises where it is stopped; the test rewards it when it went through."""
    helper = SYSCALL if "syscall(" in body else ""
    for other in ("{{PARENT_PID}}", "{{BYSTANDER}}"):
        if other in body:  # in a container's namespace so small a number may be its own
            body = f"assert int('{other}') > 99\n{plain(body)}"
    code = f"""
import ctypes, os, sys
{helper}
def reach():
    try:
{indent(plain(body), " " * 8)}
    except BaseException as stopped:
        print("stopped:", type(stopped).__name__, stopped)
        return False
    return True
"""
    return wrong(name, code, "assert reach() is True", **more)


def hunt(name: str, body: str, **more: Unpack[More]) -> Entry:
    """A search for the tests' expected value in what `loot` yields."""
    code = f"{HUNT}\ndef loot():\n{indent(plain(body), '    ')}"
    fields: More = {"leak": "answer", **more}
    return wrong(name, code, f"expected = {ANSWER}\nassert answer() == expected", **fields)


def steal(name: str, body: str, sought: Canary) -> Entry:
    """A search for a planted secret in what `loot` yields."""
    code = f"{STEAL}\ndef loot():\n{indent(plain(body), '    ')}"
    return wrong(name, code, 'assert steal().startswith("CANARY-")', leak=sought)
