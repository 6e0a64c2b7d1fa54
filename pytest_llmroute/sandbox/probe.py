"""A tier counts only if it withstands an attack of our own: a version or a setting is no evidence."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import socket
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from pytest_llmroute.sandbox.jail import Jail, Job, Lost, Refused, Way
from pytest_llmroute.sandbox.verdict import SolutionVerdict

SECRET = "llmroute-planted-secret"
ATTACK = """
import os, socket, ctypes

def tries(planted, folder, tcp, udp, parent):
    found = []
    def attempt(name, act):
        try:
            if act():
                found.append(name)
        except BaseException:
            pass
    attempt("reads files of the host", lambda: SECRET in open(planted).read())
    attempt("sees the environment", lambda: SECRET in str(dict(os.environ)))
    attempt("writes files of the host", lambda: open(os.path.join(folder, "written"), "w").close() is None)
    def stream():
        with socket.socket() as s:
            s.settimeout(0.3)
            return s.connect(("127.0.0.1", tcp)) is None
    attempt("connects by TCP", stream)
    def datagram():
        with socket.socket(type=socket.SOCK_DGRAM) as s:
            return s.sendto(b"x", ("127.0.0.1", udp)) > 0
    attempt("sends by UDP", datagram)
    def fork():
        pid = os.fork()
        if pid == 0:
            os._exit(0)
        return True
    attempt("starts processes", fork)
    attempt("signals other processes", lambda: os.kill(os.getppid() or 1, 0) is None)
    # In a jail's own numbers the host's may be the solution's.
    attempt("signals processes of the host", lambda: parent != os.getpid() and os.kill(parent, 0) is None)
    attempt("becomes another user", lambda: os.setuid(0) is None)
    attempt("makes namespaces", lambda: ctypes.CDLL(None).unshare(0x10000000) == 0)
    attempt("is root", lambda: os.geteuid() == 0)
    return found
""".replace("SECRET", repr(SECRET))
LIE = """
import sys
class Always:
    def __eq__(self, other): return True
    def __hash__(self): return 0
def lie():
    frame = sys._getframe()
    while frame:
        for value in list(frame.f_locals.values()):
            if "8264" in repr(value): return 8264
        frame = frame.f_back
    return Always()
"""
GREED = "def hold(): return len(bytearray(600_000_000))"
LOOP = "def loop():\n    while True: pass"


def withstands(way: Way) -> list[str]:
    """What can still be done in a jail of this kind; empty where it holds. Raises Refused where none can be made."""
    jail = Jail(way, os.getpid())
    try:
        return [*_reached(jail), *_limits(jail)]
    except Lost as error:
        raise Refused(f"the jail was lost: {error}") from None
    finally:
        jail.close()


def _reached(jail: Jail) -> list[str]:
    with _planted() as (planted, folder, tcp, udp, contacts):
        call = f"tries({planted!r}, {folder!r}, {tcp}, {udp}, {os.getpid()})"
        verdict = _ran(jail, ATTACK, [f"found = {call}", "assert isinstance(found, list)", "assert not found, found"])
        reached = [] if verdict.passed else [verdict.message]
        if os.path.exists(os.path.join(folder, "written")):
            reached.append("writes files of the host")
        return reached + contacts


def _limits(jail: Jail) -> list[str]:
    found = []
    if _ran(jail, LIE, ["assert lie() == 8264"]).status == "pass":
        found.append("a false answer passes")
    if _ran(jail, GREED, ["assert hold() == 600_000_000"]).status != "memory":
        found.append("memory has no limit")
    if _ran(jail, LOOP, ["loop()"], timeout=0.2).status != "timeout":
        found.append("time has no limit")
    return found


def _ran(jail: Jail, code: str, tests: list[str], timeout: float = 3.0) -> SolutionVerdict:
    return jail.run(Job({"code": code, "tests": tests, "setup": ""}, timeout))


@contextmanager
def _planted() -> Iterator[tuple[str, str, int, int, list[str]]]:
    """A file and a variable with a secret, a folder that anybody may write to, and two listeners."""
    contacts: list[str] = []
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="llmroute-probe-"))
        os.chmod(folder, 0o777)
        planted = os.path.join(folder, "planted")
        Path(planted).write_text(SECRET, encoding="utf-8")
        os.environ["LLMROUTE_PROBE"] = SECRET
        stack.callback(os.environ.pop, "LLMROUTE_PROBE", None)
        tcp = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        udp = stack.enter_context(socket.socket(type=socket.SOCK_DGRAM))
        udp.bind(("127.0.0.1", 0))
        yield planted, folder, tcp.getsockname()[1], udp.getsockname()[1], contacts
        for listener, how in ((tcp, "connects by TCP"), (udp, "sends by UDP")):
            listener.settimeout(0)
            with suppress(OSError):
                listener.accept() if listener is tcp else listener.recv(16)
                contacts.append(how)


# Once for each state of the machine


def remembered(way: Way) -> str | None:
    """The outcome of an earlier attack under the same circumstances: empty where it held; None where there is none."""
    try:
        kept = json.loads(_memory().read_text(encoding="utf-8"))
        found = kept[way] if kept["state"] == state() else None
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return found if isinstance(found, str) else None


_remembering = threading.Lock()


def remember(way: Way, outcome: str) -> None:
    """Kept in the user's cache folder; where that can't be written, the next process attacks again."""
    with _remembering, suppress(OSError, ValueError):
        path = _memory()
        path.parent.mkdir(parents=True, exist_ok=True)
        kept: dict[str, str] = {"state": state()}
        with suppress(OSError, ValueError):
            before = json.loads(path.read_text(encoding="utf-8"))
            kept = before if isinstance(before, dict) and before.get("state") == kept["state"] else kept
        kept[way] = outcome
        part = path.with_name(f"{path.name}.{os.getpid()}")
        part.write_text(json.dumps(kept), encoding="utf-8")
        part.replace(path)


def _memory(env: Mapping[str, str] = os.environ) -> Path:
    return Path(env.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "pytest-llmroute" / "sandbox.json"


STATE = (
    "/proc/sys/kernel/random/boot_id", "/proc/sys/kernel/unprivileged_userns_clone",
    "/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "/proc/sys/user/max_user_namespaces",
    "/proc/self/attr/current",
)  # fmt: skip
STATUS = ("CapEff", "CapBnd", "NoNewPrivs", "Seccomp", "Uid")


def state() -> str:
    """Everything that decides what a jail can be: kernel, user, rights, interpreter, and our own code."""
    parts = [platform.release(), sys.executable, sys.version, str(os.getuid())]
    for path in STATE:
        with suppress(OSError):
            parts.append(Path(path).read_text(encoding="utf-8"))
    with suppress(OSError):
        lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
        parts += [line for line in lines if line.startswith(STATUS)]
        parts += [os.readlink(f"/proc/self/ns/{name}") for name in ("user", "mnt")]
    folder = Path(__file__).parent
    for file in sorted((*folder.glob("*.py"), *folder.glob("inside/*.py"))):
        parts.append(hashlib.sha256(file.read_bytes()).hexdigest())
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
