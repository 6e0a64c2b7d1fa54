"""What is planted for hostile code to find, and whether it was found."""

from __future__ import annotations

import os
import re
import secrets
import select
import signal
import socket
import subprocess
import sysconfig
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from .corpus.entry import Canary, Entry


class OpenFolder:
    """A folder and a file in it that anybody may change, and nobody should."""

    def __init__(self, path: Path) -> None:
        self.path, self.file = path, path / "file"
        path.mkdir()
        self.reset()

    def reset(self) -> None:
        self.path.chmod(0o777)
        for path in self.path.iterdir():
            removed(path)
        self.file.write_text("open", encoding="ascii")
        self.file.chmod(0o666)
        self.planted = self.described()

    def described(self) -> list[str]:
        """Rights, owners, sizes and times of all that is there."""
        paths = [self.path, *sorted(self.path.iterdir())]
        stats = ((path.name, path.lstat()) for path in paths)
        return [f"{name} {s.st_mode:o} {s.st_uid} {s.st_size} {s.st_mtime_ns} {s.st_ctime_ns}" for name, s in stats]

    def changes(self) -> list[str]:
        """What is new since this was asked last."""
        if new := [line for line in self.described() if line not in self.planted]:
            self.reset()
        return new


class Bystander:
    """A process of the same user that has done nothing; a secret stands in its environment."""

    def __init__(self, secret: str) -> None:
        self.secret = secret
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen(["cat"], stdin=subprocess.PIPE, env={"PATH": os.defpath, "KEY": self.secret})

    def harm(self) -> str:
        """What befell it since this was asked last."""
        if (code := self.process.poll()) is not None:
            self.end()
            self.start()
            return f"ended with {code}"
        status = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()[0]
        if status in "Tt":
            self.process.send_signal(signal.SIGCONT)
            return "stopped"
        return ""

    def end(self) -> None:
        with self.process:
            self.process.kill()


@dataclass(frozen=True)
class Canaries:
    """`words` are the marks that entries name them by."""

    words: dict[str, str]
    secrets: dict[Canary, str]
    listeners: dict[Canary, socket.socket]
    signals: list[int]
    open: OpenFolder
    bystander: Bystander

    @property
    def mark(self) -> str:
        return self.words["MARK"]

    def named(self, text: str) -> str:
        """`text` with each `{{MARK}}` replaced."""
        words = {**self.words, "BYSTANDER": str(self.bystander.process.pid)}
        return re.sub(r"\{\{([A-Z_]+)\}\}", lambda found: words[found[1]], text)

    def named_in(self, entry: Entry) -> Entry:
        name, tests = self.named, tuple(map(self.named, entry.tests))
        return replace(entry, code=name(entry.code), tests=tests, setup=name(entry.setup), before=name(entry.before))

    def told(self, text: str) -> Iterator[Canary]:
        """The secrets that stand in `text`."""
        return (canary for canary, secret in self.secrets.items() if secret in text)

    def reached(self) -> Iterator[tuple[Canary, str]]:
        """What was contacted, signalled or changed since this was asked last."""
        for canary, listener in self.listeners.items():
            while select.select([listener], [], [], 0)[0]:
                if listener.type == socket.SOCK_DGRAM:
                    listener.recv(1)
                else:
                    listener.accept()[0].close()
                yield canary, "contact"
        if self.signals:
            yield "signal", f"{len(self.signals)} signals"
            self.signals.clear()
        if harm := self.bystander.harm():
            yield "bystander", harm
        if changes := self.open.changes():
            yield "touched", "; ".join(changes)


@contextmanager
def planted() -> Iterator[Canaries]:
    """Secrets in the environment, a temporary folder and the home; listeners on loopback; a folder open to all."""
    mark = f"corpus_{secrets.token_hex(3)}"
    tokens: dict[Canary, str] = {name: f"CANARY-{name}-{secrets.token_hex(8)}" for name in ("env", "file", "home")}
    with ExitStack() as stack:
        temp = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix=f"{mark}-")))
        temp.chmod(0o755)
        home = Path.home() / f".{mark}"
        home.mkdir()
        stack.callback(home.rmdir)
        for path, token in ((temp / f"{mark}-key", tokens["file"]), (home / "id_ed25519", tokens["home"])):
            path.write_text(token, encoding="ascii")
            stack.callback(path.unlink)
        os.environ[f"{mark}-secret"] = tokens["env"]
        stack.callback(os.environ.pop, f"{mark}-secret")
        signals: list[int] = []
        with suppress(ValueError):  # not the main thread: then nobody hears signals
            stack.callback(signal.signal, signal.SIGURG, signal.signal(signal.SIGURG, lambda *_: signals.append(1)))
        listeners = opened(mark, temp)
        for listener in listeners.values():
            stack.enter_context(listener)
        folder, bystander = OpenFolder(temp / "open"), Bystander(tokens["env"])
        stack.callback(bystander.end)
        words = {
            "MARK": mark,
            "PARENT_PID": str(os.getpid()),
            "TCP_PORT": str(listeners["tcp"].getsockname()[1]),
            "UDP_PORT": str(listeners["udp"].getsockname()[1]),
            "UNIX_PATH": str(temp / "socket"),
            "ABSTRACT": f"{mark}-listener",
            "FILE": str(temp / f"{mark}-key"),
            "HOME_FILE": str(home / "id_ed25519"),
            "HOME": str(Path.home()),
            "TEMP": tempfile.gettempdir(),
            "CWD": str(Path.cwd()),
            "FOLDER": str(folder.path),
            "OPEN_FILE": str(folder.file),
            "LIBRARY": sysconfig.get_path("stdlib"),
        }
        yield Canaries(words, tokens, listeners, signals, folder, bystander)


def opened(mark: str, folder: Path) -> dict[Canary, socket.socket]:
    """Listeners; a contact waits in the kernel's queue until somebody asks, so that no thread is needed."""
    tcp, udp = socket.socket(), socket.socket(type=socket.SOCK_DGRAM)
    path, abstract = socket.socket(socket.AF_UNIX), socket.socket(socket.AF_UNIX)
    tcp.bind(("127.0.0.1", 0))
    udp.bind(("127.0.0.1", 0))
    path.bind(str(folder / "socket"))
    (folder / "socket").chmod(0o777)
    abstract.bind(f"\0{mark}-listener")
    for listener in (tcp, path, abstract):
        listener.listen(64)
    return {"tcp": tcp, "udp": udp, "unix": path, "abstract": abstract}


def removed(path: Path) -> None:
    with suppress(OSError):
        path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()
