"""The embedded engine on a real model: answers, figures, failures, and that nothing stays behind."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pytest

import pytest_llmroute
from pytest_llmroute.backends.embedded import backend as backend_module
from pytest_llmroute.backends.embedded.backend import EmbeddedModel, missing_engine
from pytest_llmroute.backends.embedded.files import ModelFile, manifest, needed, what_fits
from pytest_llmroute.backends.embedded.gguf import Head, NotGGUF, read_head
from pytest_llmroute.backends.embedded.process import Worker, WorkerGone, WorkerLate
from pytest_llmroute.core.models import ModelCard
from pytest_llmroute.core.replies import Call
from pytest_llmroute.core.requests import Message, Sampling
from pytest_llmroute.errors import Cause, ModelCallError

pytest.importorskip("xllamacpp")
MODELS = Path(pytest_llmroute.__file__).parent / "models"
PICO = MODELS / "pico.gguf"
PROMPT = "analyze\nNameError: name 'x' is not defined"


@pytest.fixture
def pico() -> Iterator[EmbeddedModel]:
    model = EmbeddedModel(ModelCard("pico", "embedded"))
    yield model
    model.close()


def call(model: EmbeddedModel, prompt: str = PROMPT, *, settings: Sampling | None = None, **more: Any) -> Call:
    return Call(model.card, (Message("user", prompt),), settings or Sampling(0.0, 64), **more)


def worker_of(model: EmbeddedModel) -> psutil.Process:
    assert model._worker is not None
    return psutil.Process(model._worker.pid)


def test_a_reply_has_exact_tokens_parted_timings_and_the_ram_of_its_process(pico: EmbeddedModel) -> None:
    first, second = pico.generate(call(pico)), pico.generate(call(pico))
    assert first.text == second.text != ""
    assert first.tokens.exact
    assert first.tokens.prompt > 5
    assert 0 < first.tokens.completion <= 64
    assert first.timings.load > 0 == second.timings.load
    assert (first.cold, second.cold) == (True, False)
    assert 0 < second.timings.prefill + second.timings.decode <= second.timings.total
    assert first.resident is not None
    assert first.resident > 10_000_000
    assert first.digest == manifest()["pico"]["sha256"]


def test_greedy_and_seeded_replies_repeat(pico: EmbeddedModel) -> None:
    def replies(temperature: float, seeds: list[int]) -> list[str]:
        return [
            pico.generate(call(pico, "what", settings=Sampling(temperature, 24, 0.95, seed))).text for seed in seeds
        ]

    assert len(set(replies(0.0, [1, 2, 3]))) == 1
    assert replies(1.5, [7, 8, 9]) == replies(1.5, [7, 8, 9])
    assert len(set(replies(1.8, list(range(12))))) > 1


def test_length_stop_and_schema_are_obeyed(pico: EmbeddedModel) -> None:
    assert pico.generate(call(pico, settings=Sampling(0.0, 2))).tokens.completion <= 2
    whole = pico.generate(call(pico)).text
    stopped = pico.generate(call(pico, settings=Sampling(0.0, 64, stop=(whole[3:5],)))).text
    assert stopped == whole[: whole.index(whole[3:5])]
    schema = {
        "type": "object",
        "properties": {"a": {"enum": ["x", "y"]}},
        "required": ["a"],
        "additionalProperties": False,
    }
    assert json.loads(pico.generate(call(pico, schema=schema)).text)["a"] in ("x", "y")


def test_a_stream_is_the_reply_in_pieces(pico: EmbeddedModel) -> None:
    pieces = list(pico.stream(call(pico)))
    assert len(pieces) > 1
    assert "".join(pieces) == pico.generate(call(pico)).text


def test_threads_may_ask_at_once(pico: EmbeddedModel) -> None:
    wanted = pico.generate(call(pico)).text
    with ThreadPoolExecutor(8) as threads:
        replies = list(threads.map(lambda _: pico.generate(call(pico)), range(40)))
    assert {reply.text for reply in replies} == {wanted}
    assert max(reply.timings.queue for reply in replies) > 0


def test_what_can_not_be_has_its_cause(pico: EmbeddedModel) -> None:
    def cause(**more: Any) -> tuple[Cause, str]:
        with pytest.raises(ModelCallError) as caught:
            pico.generate(call(pico, **more))
        return caught.value.cause, caught.value.text

    assert cause(prompt="word " * 3000)[0] is Cause.CONTEXT
    assert "the context holds 512" in cause(prompt="word " * 3000)[1]
    assert cause(tools=({"name": "x"},))[0] is Cause.CAPABILITY
    assert cause(prompt="word " * 100, timeout=1e-6)[0] is Cause.TIMEOUT
    assert pico.generate(call(pico)).cold is True


def test_a_time_limit_ends_the_process_and_the_next_call_has_another(pico: EmbeddedModel) -> None:
    pico.generate(call(pico))
    process = worker_of(pico)
    process.suspend()
    started = time.monotonic()
    with pytest.raises(ModelCallError, match=r"no answer within 0.5 s; its process was ended"):
        pico.generate(call(pico, timeout=0.5))
    assert time.monotonic() - started < 4
    assert not process.is_running()
    assert pico.generate(call(pico)).cold is True


def test_a_process_that_is_killed_is_an_infrastructure_failure(pico: EmbeddedModel) -> None:
    pico.generate(call(pico))
    worker_of(pico).kill()
    with pytest.raises(ModelCallError) as caught:
        pico.generate(call(pico))
    assert caught.value.cause is Cause.OUT_OF_MEMORY
    assert pico.generate(call(pico)).text


@pytest.mark.parametrize(
    ("content", "told"),
    [(b"", "cut short"), (b"GGUF", "cut short"), (b"PK\x03\x04" * 9, "does not begin with GGUF"),
     (b"GGUF\x09\0\0\0" + b"\0" * 16, "version 9"), (b"GGUF\x03\0\0\0" + b"\xff" * 40, "makes no sense"),
     (None, "cut short or damaged")],
)  # fmt: skip
def test_a_file_that_is_no_model_is_refused_before_the_engine_sees_it(
    tmp_path: Path, content: bytes | None, told: str
) -> None:
    path = tmp_path / "x.gguf"
    path.write_bytes(PICO.read_bytes()[:300] if content is None else content)
    with pytest.raises(ModelCallError, match="is no GGUF file that can be used") as caught:
        EmbeddedModel(ModelCard("x", "embedded", path=str(path)))
    assert told in caught.value.text or (content == b"" and "does not begin" in caught.value.text)
    with pytest.raises(NotGGUF):
        read_head(path)


def test_a_file_that_is_cut_off_behind_its_head_is_told_by_the_engine(tmp_path: Path) -> None:
    path = tmp_path / "x.gguf"
    path.write_bytes(PICO.read_bytes()[:-100_000])
    model = EmbeddedModel(ModelCard("x", "embedded", path=str(path)))
    with pytest.raises(ModelCallError) as caught:
        model.generate(call(model))
    assert caught.value.cause is Cause.BACKEND
    assert caught.value.text


def test_a_model_beyond_the_memory_is_refused_with_what_would_fit(tmp_path: Path) -> None:
    """Before its process is started; the file is real on disk, and has holes."""
    huge = tmp_path / "huge.gguf"
    huge.write_bytes(PICO.read_bytes())
    os.truncate(huge, 4 * 10**12)
    model = EmbeddedModel(ModelCard("huge", "embedded", path=str(huge)))
    with pytest.raises(
        ModelCallError, match=r"it takes about 4000\.1 GB, .* GB are free; it takes a smaller"
    ) as caught:
        model.generate(call(model))
    assert caught.value.cause is Cause.OUT_OF_MEMORY
    (tmp_path / "small.gguf").write_bytes(PICO.read_bytes())
    with pytest.raises(ModelCallError, match=r"small\.gguf beside it would fit \(0\.0 GB\)"):
        model.generate(call(model))


def test_less_context_is_named_where_it_is_what_would_fit(tmp_path: Path) -> None:
    head = Head("llama", 1_000_000, True, 1, 10**9, 100_000)
    file = ModelFile(tmp_path / "long.gguf", head)
    assert "context = 9216 on its card" in what_fits(file, 1_000_000, 2_000_000_000)
    assert needed(file, 9216) < 2_000_000_000 < needed(file, 9216 + 256)
    assert "smaller model" in what_fits(file, 1_000_000, 1_000_000_000)


def test_the_cache_of_a_file_is_known_from_its_head() -> None:
    assert read_head(PICO).cache == 4 * 1 * 4 * 16


def test_a_missing_file_a_missing_name_and_a_damaged_model_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ModelCallError, match="is not there") as caught:
        EmbeddedModel(ModelCard("x", "embedded", path=str(tmp_path / "no.gguf")))
    assert caught.value.cause is Cause.MISSING_MODEL
    with pytest.raises(ModelCallError, match=r"those that do: .*pico"):
        EmbeddedModel(ModelCard("unheard-of", "embedded"))
    monkeypatch.setitem(manifest(), "pico", {**manifest()["pico"], "sha256": "0" * 64})
    with pytest.raises(ModelCallError, match=r"pico.gguf is damaged"):
        EmbeddedModel(ModelCard("pico", "embedded"))


def test_a_model_that_ollama_has_pulled_runs_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OLLAMA_MODELS", str(tmp_path))
    blob = tmp_path / "blobs" / "sha256-abc"
    blob.parent.mkdir()
    shutil.copy(PICO, blob)
    listed = tmp_path / "manifests" / "registry.ollama.ai" / "library" / "tiny" / "1b"
    listed.parent.mkdir(parents=True)
    layers = [{"mediaType": "application/vnd.ollama.image.model", "digest": "sha256:abc"}]
    listed.write_text(json.dumps({"layers": layers}))
    model = EmbeddedModel(ModelCard("mine", "embedded", path="ollama:tiny:1b"))
    try:
        assert model.generate(call(model)).digest == "abc"
    finally:
        model.close()
    with pytest.raises(ModelCallError, match="ollama pull other "):
        EmbeddedModel(ModelCard("mine", "embedded", path="ollama:other"))


def test_a_card_may_ask_for_less_context(tmp_path: Path) -> None:
    model = EmbeddedModel(ModelCard("pico", "embedded", context=256))
    try:
        with pytest.raises(ModelCallError, match="the context holds 256"):
            model.generate(call(model, prompt="word " * 400))
    finally:
        model.close()


# The worker by itself, with others in its place

ECHO = """
import sys, json
for line in sys.stdin:
    r = json.loads(line)
    print(json.dumps({'id': r['id'], 'ok': r['x']}), flush=True)
"""


def scripted(code: str) -> Worker:
    return Worker([sys.executable, "-c", code])


def test_a_worker_answers_by_number() -> None:
    worker = scripted(ECHO)
    assert worker.ask({"x": 1}, 5)["ok"] == 1
    assert worker.ask({"x": "ä\n"}, 5)["ok"] == "ä\n"
    worker.end()
    with pytest.raises(WorkerGone):
        worker.ask({"x": 1}, 5)


@pytest.mark.parametrize(
    ("code", "cause", "told"),
    [
        ("import os, signal; os.kill(os.getpid(), signal.SIGILL)", Cause.BACKEND, "AVX2"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", Cause.OUT_OF_MEMORY, "want of memory"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", Cause.BACKEND, "SIGSEGV"),
        (
            "raise ImportError('libgomp.so.1: cannot open shared object file')",
            Cause.BACKEND,
            "apt-get install libgomp1",
        ),
        (
            "import sys; sys.stdin.readline(); raise MemoryError('bad_alloc')",
            Cause.OUT_OF_MEMORY,
            "ran out of memory; with a context of",
        ),
        ("raise ModuleNotFoundError(\"No module named 'xllamacpp'\")", Cause.BACKEND, "pytest-llmroute[embedded]"),
    ],
)
def test_the_end_of_a_worker_is_told_with_its_reason(
    monkeypatch: pytest.MonkeyPatch, code: str, cause: Cause, told: str
) -> None:
    monkeypatch.setattr(backend_module, "Worker", lambda: scripted(code))
    model = EmbeddedModel(ModelCard("pico", "embedded"))
    with pytest.raises(ModelCallError) as caught:
        model.generate(call(model))
    assert (caught.value.cause, told in caught.value.text) == (cause, True), caught.value.text


def test_a_worker_that_ignores_its_end_is_ended() -> None:
    worker = scripted("import time\nwhile True: time.sleep(9)")
    process = psutil.Process(worker.pid)
    with pytest.raises(WorkerLate):
        worker.ask({"x": 1}, 0.2)
    assert not process.is_running()


def test_a_parameter_that_the_engine_no_longer_has_is_a_note(
    monkeypatch: pytest.MonkeyPatch, pico: EmbeddedModel, caplog: pytest.LogCaptureFixture
) -> None:
    code = "import pytest_llmroute.backends.embedded.worker as w\nw.WANTED['renamed_away'] = 1\nw.main()\n"
    monkeypatch.setattr(backend_module, "Worker", lambda: scripted(code))
    assert pico.generate(call(pico)).text
    assert pico.notes == ("renamed_away",)
    assert "no longer has renamed_away: its own values hold" in caplog.text


def test_without_the_extra_the_command_to_type_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert missing_engine(ModelCard("pico", "embedded")) is None
    monkeypatch.setattr(backend_module, "PACKAGE", "nothing_of_this_name")
    error = missing_engine(ModelCard("pico", "embedded"))
    assert error is not None
    assert "pip install 'pytest-llmroute[embedded]'" in error.text()


@pytest.mark.parametrize(
    ("system", "machine", "libc"), [("Linux", "x86_64", ""), ("Linux", "i686", "glibc"), ("Windows", "ARM64", "")]
)
def test_a_platform_without_a_wheel_is_told_so(
    monkeypatch: pytest.MonkeyPatch, system: str, machine: str, libc: str
) -> None:
    monkeypatch.setattr(backend_module, "PACKAGE", "nothing_of_this_name")
    monkeypatch.setattr("platform.system", lambda: system)
    monkeypatch.setattr("platform.machine", lambda: machine)
    monkeypatch.setattr("platform.libc_ver", lambda: (libc, ""))
    error = missing_engine(ModelCard("pico", "embedded"))
    assert error is not None
    assert f"no wheel of it for {system} {machine}" in error.text()


def test_a_model_without_a_file_is_told_before_any_test() -> None:
    error = missing_engine(ModelCard("x", "embedded", path="/nowhere/x.gguf"))
    assert error is not None
    assert "x.gguf is not there" in error.text()


# pytest's end, however it comes

SUITE = """
import os, time
def test_a(llm):
    assert llm.generate("analyze\\nundefined reference to `f'", task="analyze").text
def test_b(llm):
    open("ready", "w").close()
    if os.environ.get("WAIT"):
        time.sleep(60)
    assert not os.environ.get("FAIL")
"""


def workers(folder: Path) -> list[psutil.Process]:
    """Worker processes that were started from this folder and still run."""
    found = []
    for process in psutil.process_iter():
        try:
            if any(part.endswith("worker.py") for part in process.cmdline()) and process.cwd() == str(folder):
                found.append(process)
        except psutil.Error:
            continue
    return found


def begun(folder: Path, *args: str, **env: str) -> subprocess.Popen[bytes]:
    (folder / "test_it.py").write_text(SUITE)
    command = [sys.executable, "-m", "pytest", "-q", "--llm-model=pico", "-p", "no:asyncio", *args]
    return subprocess.Popen(
        command, cwd=folder, env={**os.environ, **env}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        preexec_fn=heed_ctrl_c,
    )  # fmt: skip


def heed_ctrl_c() -> None:
    """A shell's background jobs ignore it, and so would their children."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.mark.parametrize(
    "args", [(), ("-x",), pytest.param(("-n2",), marks=pytest.mark.slow)], ids=["normal", "x", "n2"]
)
def test_no_worker_is_left_behind(tmp_path: Path, args: tuple[str, ...]) -> None:
    process = begun(tmp_path, *args, FAIL="1")
    assert process.wait(60) == 1
    assert workers(tmp_path) == []


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGKILL], ids=["Ctrl-C", "kill -9"])
def test_no_worker_survives_an_interrupted_or_killed_pytest(tmp_path: Path, sent: signal.Signals) -> None:
    process = begun(tmp_path, WAIT="1")
    until = time.monotonic() + 30
    while not (tmp_path / "ready").exists():
        assert time.monotonic() < until
        time.sleep(0.05)
    assert len(workers(tmp_path)) == 1
    process.send_signal(sent)
    process.wait(30)
    until = time.monotonic() + 5
    while workers(tmp_path) and time.monotonic() < until:
        time.sleep(0.05)
    assert workers(tmp_path) == []


@pytest.mark.slow
def test_a_hundred_and_ten_starts_and_immediate_ends_without_a_hang() -> None:
    started = time.monotonic()
    for number in range(110):
        model = EmbeddedModel(ModelCard("pico", "embedded"))
        model.generate(call(model, settings=Sampling(0.0, 1)))
        if number % 2:
            worker_of(model).kill()
        model.close()
    assert time.monotonic() - started < 110
