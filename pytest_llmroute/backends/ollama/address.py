"""Where an Ollama server is: OLLAMA_HOST in all the forms that Ollama itself takes."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field

from pytest_llmroute.codes import Code
from pytest_llmroute.core.places import is_loopback
from pytest_llmroute.errors import UserError, printable

PORT = 11434
PORTS = {"http": 80, "https": 443}
"""The port of an address that names a scheme and none; without a scheme it is Ollama's own."""


@dataclass(frozen=True, slots=True)
class Address:
    """A server's place. Its password is no part of what is shown."""

    scheme: str
    host: str
    port: int
    path: str = ""
    user: str = field(default="", repr=False)
    """`name:password` of an address that holds them."""

    @property
    def url(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}{self.path}"

    @property
    def loopback(self) -> bool:
        """Whether it is this machine."""
        return is_loopback(self.url)


def read_address(text: str) -> Address:
    """`host`, `host:port`, `:port`, `port`, each with a scheme before it or a path behind it; empty is this machine.

    An address to listen on (0.0.0.0, ::) is no place to call: it stands for this machine.
    """
    text = text.strip().strip("\"'").strip()
    if not text.isprintable() or " " in text:
        raise _wrong(text, "it holds a blank or a control character")
    scheme, found, rest = text.partition("://")
    scheme, rest = (scheme.lower(), rest) if found else ("http", text)
    if scheme not in PORTS:
        raise _wrong(text, f'"{printable(scheme, 20)}" is neither http nor https')
    rest, _, path = rest.partition("/")
    user, _, place = rest.rpartition("@")
    host, port = _parted(text, place, PORTS[scheme] if found else PORT)
    path = path.partition("?")[0].partition("#")[0].strip("/")
    return Address(scheme, _callable(host), port, f"/{path}" if path else "", user)


def _parted(text: str, place: str, usual: int) -> tuple[str, int]:
    if place.isascii() and place.isdigit() and place != "0":
        return "", _port(text, place)
    if place.startswith("["):
        host, closed, port = place[1:].partition("]")
        if not closed or (port and not port.startswith(":")) or not _is_ip(host):
            raise _wrong(text, "what stands in brackets is no IPv6 address")
        return host, _port(text, port[1:]) if port[1:] else usual
    if _is_ip(place):
        return place, usual
    host, _, port = place.rpartition(":") if ":" in place else (place, "", "")
    if not all(char.isalnum() or char in "-._" for char in host):
        raise _wrong(text, "the host's name holds a character that no name has")
    return host, _port(text, port) if port else usual


def _port(text: str, port: str) -> int:
    if port.isascii() and port.isdigit() and len(port) <= 5 and 0 < int(port) < 65536:
        return int(port)
    raise _wrong(text, f'"{printable(port, 20)}" is no port')


def _is_ip(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _callable(host: str) -> str:
    if host in ("", "0"):
        return "127.0.0.1"
    if _is_ip(host) and ipaddress.ip_address(host).is_unspecified:
        return "::1" if ":" in host else "127.0.0.1"
    return host


def _wrong(text: str, why: str) -> UserError:
    shown = text.rpartition("@")[2]
    return UserError(
        f'OLLAMA_HOST: "{printable(shown, 80)}" is no address of a server: {why}',
        code=Code.OPTION,
        means="a host, a port, or both; a scheme (http, https) and a path may stand around them",
        fix="export OLLAMA_HOST=127.0.0.1:11434",
    )
