"""The process behind an address: whoever listens on that port of this machine, and which of its children count.

Only loopback addresses are looked up. A remote host, a container, or a process of somebody else stays invisible; the
server's own report is used then.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from pytest_llmroute.core.processes import parent_of, pids, program_of, words_of
from pytest_llmroute.measure.member import Member
from pytest_llmroute.measure.tree import Tree, everyone

FORWARDERS = ("docker", "com.docker", "ssh", "rootlesskit", "slirp4netns", "pasta", "gvproxy", "wslrelay", "kubectl")
"""Begins of the names of programs that only pass a port on to somewhere else."""
OLLAMA = ("ollama", "ollama.exe")
LISTENING = "0A"


@cache
def loopback_port(url: str) -> int | None:
    """The port of an address on this machine; None for any other address."""
    try:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        host, port = parts.hostname or "", parts.port
        address = None if host == "localhost" else ip_address(host)
    except ValueError:
        return None
    if address is not None and not (address.is_loopback or address.is_unspecified):
        return None
    return port or (443 if parts.scheme == "https" else 80)


def serving_pid(port: int) -> int | None:
    """The process that listens there; None where it is this one, somebody else's, or one that only passes on."""
    holders = _holders(port)
    tops = [pid for pid in holders if parent_of(pid) not in holders]
    if not tops or tops[0] == os.getpid():
        return None
    return None if program_of(tops[0]).startswith(FORWARDERS) else tops[0]


def tree_of(root: Member) -> Tree:
    """A server with the children that count: Ollama's runners have `--model`, its short probes of GPUs have not."""
    by_model = program_of(root.pid) in OLLAMA
    return Tree(root, _is_runner if by_model else everyone, by_model=by_model)


def _is_runner(pid: int) -> bool:
    words = words_of(pid)
    return "--model" in words and "--imagegen-engine" not in words


def _holders(port: int) -> list[int]:
    if sys.platform != "linux":
        import psutil

        with suppress(psutil.Error):
            found = psutil.net_connections("tcp")
            return [
                item.pid for item in found if item.pid and item.laddr and item.laddr.port == port and not item.raddr
            ]
        return _ollama(None)
    sockets = dict(_sockets(port))
    wanted = {f"socket:[{inode}]" for inode in sockets}
    holders = [pid for pid in pids() if wanted and _holds(pid, wanted)]
    return holders or [pid for user in sorted(set(sockets.values())) for pid in _ollama(user)]


def _sockets(port: int) -> Iterator[tuple[str, int]]:
    """Inode and user of each socket that listens on a loopback or any address."""
    for table in ("tcp", "tcp6"):
        with suppress(OSError):
            for line in Path(f"/proc/net/{table}").read_text(encoding="ascii").splitlines()[1:]:
                fields = line.split()
                address, _, number = fields[1].partition(":")
                if fields[3] == LISTENING and int(number, 16) == port and _local(address):
                    yield fields[9], int(fields[7])


def _local(address: str) -> bool:
    """The kernel writes words of four bytes, lowest byte first."""
    raw = b"".join(bytes.fromhex(address[at : at + 8])[::-1] for at in range(0, len(address), 8))
    found = ip_address(raw)
    mapped = getattr(found, "ipv4_mapped", None) or found
    return bool(mapped.is_loopback or mapped.is_unspecified)


def _holds(pid: int, wanted: set[str]) -> bool:
    with suppress(OSError):
        folder = f"/proc/{pid}/fd"
        for name in os.listdir(folder):
            with suppress(OSError):
                if os.readlink(f"{folder}/{name}") in wanted:
                    return True
    return False


def _ollama(user: int | None) -> list[int]:
    """`ollama serve` of that user, where it is the only one: a service's files can't be read, its name can."""
    found = [
        pid
        for pid in pids()
        if program_of(pid) in OLLAMA and "serve" in words_of(pid)[1:2] and (user is None or _owner(pid) == user)
    ]
    return found if len(found) == 1 else []


def _owner(pid: int) -> int | None:
    with suppress(OSError):
        return os.stat(f"/proc/{pid}").st_uid
    return None
