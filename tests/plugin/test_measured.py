"""What a run measures, from a real server's memory to the record, the store and the JSON file."""

from __future__ import annotations

import json
import sqlite3
import sys
from collections.abc import Callable, Mapping
from importlib import resources
from typing import Any

import jsonschema
import pytest

from .conftest import Run

Json = Callable[..., Mapping[str, Any]]
MB = 1_000_000

SERVER = """
import socketserver
class Handler(socketserver.StreamRequestHandler):
    def handle(self):
        held = bytearray(int(self.rfile.readline()))
        held[::4096] = bytes([1]) * len(held[::4096])
        del held
        self.wfile.write(b"done")
with socketserver.TCPServer(("127.0.0.1", 0), Handler) as server:
    print(server.server_address[1], flush=True)
    server.serve_forever()
"""
"""Holds as many bytes as it is asked for, and answers."""
CONFTEST = f"""
import atexit, os, socket, subprocess, sys, time
from pytest_llmroute import BackendType, ModelCard, Reply

if "PORT" not in os.environ:  # one server for all workers
    process = subprocess.Popen([sys.executable, "-c", {SERVER!r}], stdout=subprocess.PIPE, text=True)
    os.environ["PORT"] = process.stdout.readline().strip()
    atexit.register(process.kill)
PORT = int(os.environ["PORT"])

class Asks:
    def __init__(self, card): pass
    def generate(self, call):
        time.sleep(0.3)  # the server is looked up in the background
        with socket.create_connection(("127.0.0.1", PORT)) as connection:
            connection.sendall(call.messages[-1].content.encode() + b"\\n")
            return Reply(connection.recv(10).decode(), "served", reported=7)
    def close(self): pass

def llmroute_backends(): return [BackendType("asks", Asks)]
def llmroute_models(): return [ModelCard("served", backend="asks", base_url=f"http://127.0.0.1:{{PORT}}"),
                               ModelCard("far", backend="asks", base_url="https://models.example.org/v1")]
"""
SUITE = """
import pytest
@pytest.mark.parametrize("size", [300_000_000, 1])
def test_it(llm, size): assert llm.generate(str(size)).text == "done"
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells other processes' ports to everybody")
def test_a_call_has_the_peak_of_its_server(suite: pytest.Pytester, run_json: Json) -> None:
    suite.makeconftest(CONFTEST)
    suite.makepyfile(test_it=SUITE)
    data = run_json("--llm-model=served")
    large, small = (record["calls"][0] for record in data["records"])
    assert large["server_rss_peak"] - small["server_rss_peak"] == pytest.approx(300 * MB, rel=0.05)
    assert (small["ram_source"], small["ram_scope"], small["ps_size"]) == ("high-water", "exact", 7)
    assert small["server_cpu_seconds"] >= 0
    (column,) = data["columns"]
    assert column["models_ram"] == {"served": large["server_rss_peak"]}
    assert column["models_ram_reported"] == []
    (series,) = data["series"]
    places = {name: place for place, name in enumerate(series["fields"])}
    assert any(row[places["server_rss"]] for row in series["rows"])


def test_without_a_visible_server_its_own_report_is_named_so(suite: pytest.Pytester, run_json: Json, run: Run) -> None:
    suite.makeconftest(CONFTEST)
    suite.makepyfile(test_it=SUITE)
    data = run_json("--llm-model=far")
    (call, _) = (record["calls"][0] for record in data["records"])
    assert (call["server_rss_peak"], call["ps_size"]) == (None, 7)
    assert (call["ram_source"], call["ram_scope"]) == ("reported", "run")
    run("--llm-model=far").stdout.fnmatch_lines(["far  used served ×2 (0 MB reported)"])


@pytest.mark.parametrize(
    ("args", "workers"),
    [((), ["main"]), pytest.param(("-n2",), ["gw0", "gw1"], marks=pytest.mark.slow)],
    ids=["n0", "n2"],
)
def test_each_process_has_its_series_in_store_and_json(
    suite: pytest.Pytester, run_json: Json, args: tuple[str, ...], workers: list[str]
) -> None:
    suite.makeconftest(CONFTEST)
    suite.makepyfile(test_it=SUITE)
    data = run_json("--llm-model=served", *args)
    schema = json.loads((resources.files("pytest_llmroute.config") / "schemas" / "run.schema.json").read_text())
    jsonschema.Draft202012Validator(schema).validate(data)
    assert [series["worker"] for series in data["series"]] == workers
    assert all(series["rows"] and series["step"] == 0.2 for series in data["series"])
    with sqlite3.connect(suite.path / ".llmroute" / "results.db") as db:
        kept = db.execute("SELECT worker, data FROM series ORDER BY worker").fetchall()
    assert [(worker, json.loads(text)) for worker, text in kept] == list(zip(workers, data["series"], strict=True))
    scopes = {call["ram_scope"] for record in data["records"] for call in record["calls"]}
    assert scopes == ({"exact"} if args == () else {"shared"})
    assert {record["ram_scope"] for record in data["records"]} == {"exact"}
