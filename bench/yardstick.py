"""As many calls to the mock server as threads with kept-alive connections make: `yardstick.py KIND PORT CALLS SLOTS`.

A process of its own, so that its CPU is all that such a client costs.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

PATH = "/v1/chat/completions"
BODY = json.dumps({"model": "one", "messages": [{"role": "user", "content": "Say ok"}], "stream": True})
HEADERS = {"Content-Type": "application/json"}


@contextmanager
def http_client(port: int, _: int) -> Iterator[Callable[[Iterator[int]], None]]:
    """A connection for each thread."""
    import http.client

    def ask(numbers: Iterator[int]) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port)
        for _ in numbers:
            connection.request("POST", PATH, BODY, HEADERS)
            connection.getresponse().read()
        connection.close()

    yield ask


@contextmanager
def urllib3_pool(port: int, slots: int) -> Iterator[Callable[[Iterator[int]], None]]:
    """One pool for all."""
    import urllib3

    with urllib3.HTTPConnectionPool("127.0.0.1", port, maxsize=slots) as pool:

        def ask(numbers: Iterator[int]) -> None:
            for _ in numbers:
                pool.urlopen("POST", PATH, body=BODY, headers=HEADERS)

        yield ask


KINDS = {"http.client": http_client, "urllib3": urllib3_pool}


def main(kind: str, port: int, calls: int, slots: int) -> None:
    numbers = iter(range(calls))
    with KINDS[kind](port, slots) as ask, ThreadPoolExecutor(slots) as threads:
        for done in [threads.submit(ask, numbers) for _ in range(slots)]:
            done.result()


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))
