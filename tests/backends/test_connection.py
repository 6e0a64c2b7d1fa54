"""HTTP as the wire speaks it: against Python's own client, whatever pieces the answers come in, and over TLS."""

from __future__ import annotations

import http.client
import io
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_llmroute.backends.connection import Broken, Connection, NoAnswer
from pytest_llmroute.backends.wire import Refusal, Wire, coming
from pytest_llmroute.core.steps import Doing, Pause, waited
from pytest_llmroute.core.stops import Stop
from pytest_llmroute.errors import Cancelled, Cause, ModelCallError

Serve = Callable[[socket.socket, bytes], None]


@contextmanager
def serving(serve: Serve, context: ssl.SSLContext | None = None) -> Iterator[tuple[str, list[socket.socket]]]:
    """Each request, head and body, is given to `serve`; the address, and the connections that were made."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        made: list[socket.socket] = []

        def wrapped(made: socket.socket) -> socket.socket:
            return context.wrap_socket(made, server_side=True) if context else made

        def accept() -> None:
            while True:
                try:
                    made.append(listener.accept()[0])
                except OSError:
                    return
                threading.Thread(target=answer, args=(made[-1],), daemon=True).start()

        def answer(made: socket.socket) -> None:
            with suppress(OSError), made, wrapped(made) as connection:
                while request := connection.recv(1 << 20):
                    serve(connection, request)

        threading.Thread(target=accept, daemon=True).start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", made
        listener.shutdown(socket.SHUT_RDWR)


def ok(body: bytes = b"{}") -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)


@pytest.fixture
def wire_to() -> Iterator[Callable[[str], Wire]]:
    """Wires that are closed after the test."""
    made: list[Wire] = []

    def make(url: str) -> Wire:
        made.append(Wire(url))
        return made[-1]

    yield make
    for wire in made:
        wire.close()


def soon() -> float:
    return time.monotonic() + 5


def chunked(parts: Sequence[bytes], trailer: bytes = b"") -> bytes:
    made = b"".join(b"%x;of=no use\r\n%s\r\n" % (len(part), part) for part in parts if part)
    return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + made + b"0\r\n" + trailer + b"\r\n"


class Told(Connection):
    """Is told an answer in pieces, without a socket."""

    def __init__(self, pieces: Sequence[bytes]) -> None:
        self._pieces = iter([*filter(None, pieces), b""])
        self._rest, self._left, self._whole, self.until = b"", 0, False, soon()

    def _receive(self) -> Doing[bytes]:
        yield from ()
        return next(self._pieces)

    def all(self) -> tuple[int, bytes, bool]:
        head, body = waited(self.head()), list[bytes]()
        waited(self.body(head, body.append))
        return head.status, b"".join(body), self._whole


def pieces(
    wire: Wire, method: str, body: Mapping[str, Any] | None = None, *, until: float | None = None, **more: Any
) -> Iterator[bytes]:
    came: list[bytes] = []
    return coming(wire.exchange(method, "/x", body, came.append, until=until or soon(), **more), came)


def by_the_library(answer: bytes) -> tuple[int, bytes]:
    class Made:
        def makefile(self, *_: Any) -> io.BytesIO:
            return io.BytesIO(answer)

    response = http.client.HTTPResponse(Made())  # type: ignore[arg-type]
    response.begin()
    return response.status, response.read()


parts = st.lists(st.binary(max_size=40) | st.sampled_from([b"\r\n", b"0\r\n\r\n", b"x" * 700]), max_size=6)
ANSWERS = st.one_of(
    st.builds(chunked, parts, st.sampled_from([b"", b"X-Sum: 1\r\n", b"A: b\r\nC: d\r\n"])),
    st.builds(ok, st.binary(max_size=300)),
    st.builds(lambda body: b"HTTP/1.0 200 OK\r\n\r\n" + body, st.binary(max_size=300)),
    st.builds(lambda body: b"HTTP/1.1 100 Continue\r\n\r\n" + ok(body), st.binary(max_size=50)),
    st.just(b"HTTP/1.1 204 No Content\r\n\r\n"),
    st.just(b"HTTP/1.1 429 Too Many\r\nRetry-After: 3\r\nContent-Length: 2\r\n\r\nno"),
)


@given(ANSWERS, st.lists(st.integers(0, 1500), max_size=8))
@settings(max_examples=300, deadline=None)
def test_answers_are_read_as_the_library_reads_them_however_they_are_cut(answer: bytes, cuts: list[int]) -> None:
    places = sorted({0, len(answer), *(cut for cut in cuts if cut < len(answer))})
    pieces = [answer[start:end] for start, end in pairwise(places)]
    status, body, whole = Told(pieces).all()
    assert (status, body) == by_the_library(answer)
    assert whole == (not answer.startswith(b"HTTP/1.0"))


@given(ANSWERS.filter(lambda answer: not answer.startswith(b"HTTP/1.0")), st.data())
@settings(max_examples=200, deadline=None)
def test_an_answer_that_ends_early_never_counts_as_whole(answer: bytes, data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(answer) - 1))
    with pytest.raises((Broken, NoAnswer)):
        Told([answer[:cut]]).all()


@pytest.mark.parametrize(
    "answer",
    [
        b"SSH-2.0-x\r\n\r\n", b"HTTP/2 200\r\n\r\n", b"HTTP/1.1 abc\r\n\r\n", b"x" * 70_000,
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", chunked([])[:-5] + b"-3\r\n",
        chunked([])[:-5] + b"g\r\n", chunked([])[:-5] + b"1" * 70_000,
    ],
)  # fmt: skip
def test_what_is_no_http_is_said_to_be_none(answer: bytes) -> None:
    with pytest.raises(Broken):
        Told([answer]).all()


def test_over_tls_a_server_is_asked_only_when_its_certificate_is_trusted(
    wire_to: Callable[[str], Wire], monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate = Path(__file__).parents[2] / "fixtures" / "tls" / "localhost.pem"
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    told = chunked([b'{"a":', b"1}"])
    with serving(lambda connection, request: connection.sendall(told), context) as (url, made):
        url = url.replace("http:", "https:")
        with pytest.raises(ModelCallError, match="SSLCertVerificationError"):
            wire_to(url).ask("GET", "/x", until=soon())
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        wire = wire_to(url)
        assert [wire.ask("POST", "/x", {}, until=soon()) for _ in range(2)] == [{"a": 1}] * 2
        monkeypatch.setattr("pytest_llmroute.backends.connection.RESTED", 0.0)
        assert wire.ask("POST", "/x", {}, until=soon()) == {"a": 1}
        assert len(made) == 2


def test_one_connection_serves_calls_that_follow_each_other_and_no_two_share_one(
    wire_to: Callable[[str], Wire],
) -> None:
    with serving(lambda connection, request: connection.sendall(ok())) as (url, made):
        wire = wire_to(url)
        for _ in range(5):
            wire.ask("POST", "/x", {}, until=soon())
        assert len(made) == 1
        gate = threading.Barrier(3)

        def ask() -> None:
            gate.wait()
            for _ in range(20):
                assert wire.ask("POST", "/x", {}, until=soon()) == {}

        threads = [threading.Thread(target=ask) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(made) <= 3


def test_a_kept_connection_that_the_server_closed_is_opened_anew_once(wire_to: Callable[[str], Wire]) -> None:
    def once(connection: socket.socket, request: bytes) -> None:
        connection.sendall(ok())
        connection.shutdown(socket.SHUT_RDWR)

    with serving(once) as (url, made):
        wire = wire_to(url)
        assert [wire.ask("GET", "/x", until=soon()) for _ in range(3)] == [{}, {}, {}]
        assert len(made) == 3

    def never(connection: socket.socket, request: bytes) -> None:
        connection.shutdown(socket.SHUT_RDWR)

    with serving(never) as (url, made):
        with pytest.raises(ModelCallError, match="broke off") as caught:
            wire_to(url).ask("GET", "/x", until=soon())
        assert caught.value.cause is Cause.SERVER
        assert len(made) == 1


def test_an_answer_that_nobody_reads_to_its_end_ends_its_connection(wire_to: Callable[[str], Wire]) -> None:
    told = chunked([b"one", b"two"])[:-5]  # without the last chunk
    with serving(lambda connection, request: connection.sendall(told)) as (url, made):
        wire = wire_to(url)
        for _ in range(2):
            with closing(pieces(wire, "GET")) as some:  # type: ignore[type-var]
                assert next(some).startswith(b"one")
        assert len(made) == 2


def test_what_came_before_an_answer_broke_off_is_given_first() -> None:
    came: list[str] = []

    def breaks() -> Doing[None]:
        yield Pause(0)
        came.extend(["one", "two"])
        raise Broken("then this")

    seen = coming(breaks(), came)
    assert [next(seen), next(seen)] == ["one", "two"]
    with pytest.raises(Broken):
        next(seen)


def test_a_refusal_says_what_the_server_said_and_keeps_the_connection(wire_to: Callable[[str], Wire]) -> None:
    no = b'HTTP/1.1 429 no\r\nRetry-After: 2\r\nContent-Length: 30\r\n\r\n{"error":{"message":"slowly"}}'
    with serving(lambda connection, request: connection.sendall(no)) as (url, made):
        wire = wire_to(url)
        for _ in range(2):
            with pytest.raises(Refusal) as caught:
                wire.ask("GET", "/x", until=soon())
            assert (caught.value.status, caught.value.message, caught.value.retry_after) == (429, "slowly", 2.0)
        assert len(made) == 1


def test_a_server_that_trickles_meets_the_limit_of_the_whole(wire_to: Callable[[str], Wire]) -> None:
    def trickle(connection: socket.socket, request: bytes) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        while True:
            connection.sendall(b"x")
            time.sleep(0.02)

    with serving(trickle) as (url, _):
        started = time.monotonic()
        with pytest.raises(ModelCallError, match=r"no whole answer within 0\.3") as caught:
            wire_to(url).ask("GET", "/x", until=started + 0.3)
        assert caught.value.cause is Cause.TIMEOUT
        assert time.monotonic() - started < 2


def test_a_header_can_hold_no_second_one(wire_to: Callable[[str], Wire]) -> None:
    with serving(lambda connection, request: connection.sendall(ok())) as (url, made):
        with pytest.raises(ModelCallError, match="the header Authorization") as caught:
            list(pieces(wire_to(url), "GET", headers={"Authorization": "a\r\nX: secret"}))
        assert "secret" not in str(caught.value)
        assert not made


@pytest.mark.parametrize("begun", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"], ids=["silent", "half"])
@pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
def test_an_exchange_that_is_stopped_ends_at_once_and_its_connection_is_closed(
    wire_to: Callable[[str], Wire], monkeypatch: pytest.MonkeyPatch, begun: bytes, secure: bool
) -> None:
    certificate = Path(__file__).parents[2] / "fixtures" / "tls" / "localhost.pem"
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER) if secure else None
    if context is not None:
        context.load_cert_chain(certificate)
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    asked = threading.Semaphore(0)

    def half(connection: socket.socket, request: bytes) -> None:
        if request.startswith(b"GET"):
            connection.sendall(ok())
        else:
            connection.sendall(begun)
            asked.release()

    stop, ended = Stop(), list[BaseException]()
    with serving(half, context) as (url, made):
        wire = wire_to(url.replace("http:", "https:") if secure else url)
        wire.ask("GET", "/", until=soon())

        def ask() -> None:
            try:
                list(pieces(wire, "POST", {}, until=time.monotonic() + 60, stop=stop))
            except BaseException as error:
                ended.append(error)

        asking = threading.Thread(target=ask, daemon=True)
        asking.start()
        assert asked.acquire(timeout=20)
        time.sleep(0.05)
        stop.give()
        asking.join(20)
        assert isinstance(ended[0], ModelCallError)
        with pytest.raises(Cancelled):
            list(pieces(wire, "POST", {}, stop=stop))
        assert wire.ask("GET", "/", until=soon()) == {}
        assert len(made) == 2
