"""The backend transformers on tiny models of real architectures: answers, figures, failures, prompts, downloads."""

from __future__ import annotations

import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from importlib import util
from pathlib import Path
from typing import Any

import pytest

if util.find_spec("torch") is None or util.find_spec("transformers") is None:
    pytest.skip("needs torch and the extra transformers", allow_module_level=True)

from pytest_llmroute.backends.contract import Surroundings
from pytest_llmroute.backends.transformers_local import backend as backend_module
from pytest_llmroute.backends.transformers_local import loading
from pytest_llmroute.backends.transformers_local.backend import TransformersModel
from pytest_llmroute.backends.transformers_local.fetch import fetch, wanted
from pytest_llmroute.backends.transformers_local.files import find_folder
from pytest_llmroute.backends.transformers_local.prompting import ends_of, written
from pytest_llmroute.backends.transformers_local.trouble import LOGIN
from pytest_llmroute.config.catalog import builtin_catalog
from pytest_llmroute.core.models import ModelCard
from pytest_llmroute.core.replies import Call
from pytest_llmroute.core.requests import Message, Sampling
from pytest_llmroute.errors import Cause, ModelCallError
from pytest_llmroute.testing import BackendConformance, Opened
from tests.backends import tiny_models
from tests.backends.hub import Hub

PROMPT = "fix c\nmain.c:2: error: expected ';'"
MAKERS: dict[str, Callable[[Path], Path]] = {
    "gpt2": tiny_models.gpt2, "t5": tiny_models.t5, "llama": tiny_models.llama, "phi": tiny_models.phi,
}  # fmt: skip
CHAT_TEMPLATE = (
    "{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('no system role') }}{% endif %}"
    "<|{{ m.role }}|>{{ m.content }}{{ eos_token }}{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}"
)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One saved model of each architecture; their replies have no end but that of the limit."""
    home = tmp_path_factory.mktemp("models")
    return {name: tiny_models.lasting(make(home / name)) for name, make in MAKERS.items()}


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """Models this small get slower by every further thread."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


Open = Callable[..., TransformersModel]


@pytest.fixture
def opened_by(folders: dict[str, Path]) -> Iterator[Open]:
    """Opens the model of an architecture, with further fields for its card."""
    models = []

    def make(name: str = "llama", **fields: Any) -> TransformersModel:
        card = ModelCard(name, "transformers", **{"path": str(folders[name]), **fields})
        models.append(TransformersModel(card, Surroundings()))
        return models[-1]

    yield make
    for model in models:
        model.close()


def call(model: TransformersModel, prompt: str = PROMPT, *, settings: Sampling | None = None, **more: Any) -> Call:
    return Call(model.card, (Message("user", prompt),), settings or Sampling(0.0, 16), **more)


def failure(model: TransformersModel, **more: Any) -> ModelCallError:
    with pytest.raises(ModelCallError) as caught:
        model.generate(call(model, **more))
    return caught.value


class TestConformance(BackendConformance):
    """Llama's architecture keeps every promise."""

    schema = False

    @pytest.fixture
    def opened(self, folders: dict[str, Path]) -> Iterator[Opened]:
        card = ModelCard("tiny", "transformers", path=str(folders["llama"]), device="cpu")
        model = TransformersModel(card, Surroundings())
        yield Opened(model, card)
        model.close()


class TestEncoderDecoder(TestConformance):
    """So does T5's."""

    @pytest.fixture
    def opened(self, folders: dict[str, Path]) -> Iterator[Opened]:
        card = ModelCard("tiny", "transformers", path=str(folders["t5"]), device="cpu", prompt_format="t5")
        model = TransformersModel(card, Surroundings())
        yield Opened(model, card)
        model.close()


# Replies


@pytest.mark.parametrize("name", MAKERS)
def test_every_architecture_answers_with_exact_tokens_and_parted_times(opened_by: Open, name: str) -> None:
    model = opened_by(name)
    first, second = model.generate(call(model)), model.generate(call(model))
    assert first.text == second.text != ""
    assert (first.tokens.completion, first.finish) == (16, "length")
    assert (first.cold, second.cold) == (True, False)
    assert first.timings.load > 0 == second.timings.load
    spent = first.timings
    assert 0 < spent.load < spent.first < spent.total
    assert spent.prefill > 0 < spent.decode


@pytest.mark.parametrize("name", MAKERS)
def test_every_architecture_gives_the_whole_in_pieces(opened_by: Open, name: str) -> None:
    model = opened_by(name)
    pieces = list(model.stream(call(model)))
    assert len(pieces) > 1
    assert "".join(pieces) == model.generate(call(model)).text


def test_the_greedy_reply_is_the_one_that_torch_alone_gives(opened_by: Open, folders: dict[str, Path]) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folders["llama"])
    alone = AutoModelForCausalLM.from_pretrained(folders["llama"])
    ids = tokenizer(PROMPT, return_tensors="pt", add_special_tokens=False).input_ids
    prompt = ids.shape[1]
    with torch.no_grad():
        for _ in range(16):
            ids = torch.cat([ids, alone(ids).logits[:, -1].argmax(-1, keepdim=True)], 1)
    model = opened_by("llama")
    reply = model.generate(call(model))
    assert reply.text == tokenizer.decode(ids[0, prompt:])
    assert reply.tokens.prompt == prompt


def test_seeded_sampling_repeats_and_leaves_the_randomness_of_others_alone(opened_by: Open) -> None:
    import torch

    model = opened_by()

    def replies(seeds: list[int], top_p: float = 1.0, temperature: float = 1.5) -> list[str]:
        asked = [Sampling(temperature, 12, top_p, seed) for seed in seeds]
        return [model.generate(call(model, settings=settings)).text for settings in asked]

    before = torch.random.get_rng_state()
    assert replies([7, 8, 9]) == replies([7, 8, 9])
    assert len(set(replies(list(range(6))))) > 1
    assert torch.equal(before, torch.random.get_rng_state())
    greedy = model.generate(call(model, settings=Sampling(0.0, 12))).text
    assert replies([1, 2], top_p=0.0) == [greedy, greedy]


def test_the_cards_settings_hold_where_the_call_has_none(opened_by: Open) -> None:
    model = opened_by(temperature=0.5, top_p=0.75)
    sent = model.generate(call(model, settings=Sampling(max_tokens=2))).sent
    assert (sent["temperature"], sent["top_p"], sent["max_tokens"]) == (0.5, 0.75, 2)
    assert (sent["device"], sent["dtype"], sent["n_ctx"]) == ("cpu", "float32", tiny_models.CONTEXT)
    plain = opened_by()
    assert plain.generate(call(plain, settings=Sampling(max_tokens=2))).sent["temperature"] == 0.0


def test_a_stop_string_is_cut_off_also_between_two_pieces(opened_by: Open) -> None:
    model = opened_by("phi")
    whole = model.generate(call(model)).text
    stop = whole[5:8]
    asked = call(model, settings=Sampling(0.0, 16, stop=(stop, "never")))
    reply = model.generate(asked)
    assert reply.text == whole[: whole.index(stop)]
    assert (reply.finish, reply.tokens.completion < 16) == ("stop", True)
    assert "".join(model.stream(asked)) == reply.text


def test_the_models_own_end_ends_the_reply(folders: dict[str, Path], tmp_path: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = shutil.copytree(folders["llama"], tmp_path / "ending")
    model, tokenizer = AutoModelForCausalLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    ids = tokenizer(PROMPT, return_tensors="pt", add_special_tokens=False).input_ids
    with torch.no_grad():
        model.generation_config.eos_token_id = int(model(ids).logits[0, -1].argmax())
    model.save_pretrained(folder)
    ending = TransformersModel(ModelCard("ending", "transformers", path=str(folder)), Surroundings())
    reply = ending.generate(call(ending))
    assert (reply.finish, reply.tokens.completion) == ("stop", 1)


def test_replies_are_fitted_to_the_context(opened_by: Open) -> None:
    model = opened_by()
    reply = model.generate(call(model, prompt="word " * 40, settings=Sampling(0.0, 2048)))
    assert reply.tokens.total == tiny_models.CONTEXT
    assert reply.sent["max_tokens"] == reply.tokens.completion
    assert reply.finish == "length"


def test_a_card_may_ask_for_less_context(opened_by: Open) -> None:
    told = failure(opened_by(context=8))
    assert told.cause is Cause.CONTEXT
    assert "the context holds 8" in told.text


# Prompts, by the cards of systems A and C


@pytest.mark.parametrize(
    ("card", "stand_in", "seen"),
    [
        ("microsoft/DialoGPT-small", "gpt2", "Be brief.\nHi<|endoftext|>Yes?<|endoftext|>Why?<|endoftext|>"),
        ("microsoft/DialoGPT-medium", "gpt2", "Be brief.\nHi<|endoftext|>Yes?<|endoftext|>Why?<|endoftext|>"),
        ("microsoft/DialoGPT-large", "gpt2", "Be brief.\nHi<|endoftext|>Yes?<|endoftext|>Why?<|endoftext|>"),
        ("Xenova/LaMini-Flan-T5-783M", "t5", "Be brief.\nHi\nYes?\nWhy?</s>"),
        (
            "Xenova/TinyLlama-1.1B-Chat-v1.0", "llama",
            "<|system|>\nBe brief.</s>\n<|user|>\nHi</s>\n<|assistant|>\nYes?</s>\n<|user|>\nWhy?</s>\n<|assistant|>\n",
        ),
        ("Xenova/Phi-2", "phi", "Instruct: Be brief.\n\nHi\nOutput: Yes?\nInstruct: Why?\nOutput:"),
    ],
)  # fmt: skip
def test_the_cards_of_the_united_systems_write_prompts_as_their_models_read_them(
    folders: dict[str, Path], tmp_path: Path, card: str, stand_in: str, seen: str
) -> None:
    known = builtin_catalog().model(card)
    tiny_models.cached(folders[stand_in], tmp_path, known.name)
    model = TransformersModel(known, Surroundings(cache_dir=str(tmp_path)))
    talk = [
        Message("system", "Be brief."),
        Message("user", "Hi"),
        Message("assistant", "Yes?"),
        Message("user", "Why?"),
    ]
    loaded, _ = model._open()
    reading = loaded.tokenizer
    reply = model.generate(Call(known, tuple(talk), Sampling(0.0, 4)))
    ids = reading(seen, add_special_tokens=False).input_ids
    assert written(known, reading, talk) == seen
    assert (reply.tokens.prompt, reply.tokens.completion) == (len(ids), 4)
    assert reply.digest == "0123456789abcdef"
    model.close()


def test_a_tokenizers_own_template_stands_before_the_cards_format(tmp_path: Path) -> None:
    folder = tiny_models.llama(tmp_path / "chat", template=CHAT_TEMPLATE)
    model = TransformersModel(ModelCard("chat", "transformers", path=str(folder), prompt_format="phi"), Surroundings())
    reply = model.generate(call(model, settings=Sampling(0.0, 1)))
    assert reply.sent["prompt_format"] == "chat template"
    reading = model._open()[0].tokenizer
    seen = written(model.card, reading, [Message("system", "Brief."), Message("user", "Hi")])
    assert seen == "<|user|>Brief.\n\nHi</s><|assistant|>"


def test_a_template_that_refuses_is_told(tmp_path: Path) -> None:
    folder = tiny_models.llama(tmp_path / "chat", template="{{ raise_exception('roles must alternate') }}")
    told = failure(TransformersModel(ModelCard("chat", "transformers", path=str(folder)), Surroundings()))
    assert (told.cause, told.text) == (Cause.BACKEND, "its chat template refuses the messages: roles must alternate")


def test_a_format_that_is_not_built_in_is_told(opened_by: Open) -> None:
    told = failure(opened_by(prompt_format="harmony"))
    assert told.cause is Cause.BACKEND
    assert 'its tokenizer has no chat template, and there is no prompt format "harmony"' in told.text


def test_the_mark_that_ends_a_turn_is_a_token_where_the_model_knows_it(tmp_path: Path) -> None:
    folder = tiny_models.llama(tmp_path / "chat", more=("<|im_start|>", "<|im_end|>"))
    model = TransformersModel(
        ModelCard("chat", "transformers", path=str(folder), prompt_format="chatml"), Surroundings()
    )
    loaded, _ = model._open()
    tokens, texts = ends_of(model.card, loaded)
    assert loaded.tokenizer.convert_tokens_to_ids("<|im_end|>") in tokens
    assert texts == ()


# Limits and failures


def test_a_time_limit_ends_the_reading_and_the_writing_between_two_layers(opened_by: Open) -> None:
    model = opened_by("t5")
    for part in ("encoder", "decoder"):
        entered = slowed(model, part, 0.2)
        began = time.perf_counter()
        told = failure(model, timeout=0.1)
        assert (told.cause, told.text) == (Cause.TIMEOUT, "no whole answer within 0.1 s; the call was ended")
        assert time.perf_counter() - began < 0.5
        assert len(entered) == 1
        entered.hook.remove()
    assert model.generate(call(model)).text


class Entered(list[float]):
    """When a slowed layer was entered."""

    hook: Any


def test_the_first_token_may_have_a_limit_of_its_own(opened_by: Open) -> None:
    model = opened_by("t5")
    model.card = replace(model.card, first_token=0.1)
    entered = slowed(model, "encoder", 0.2)
    told = failure(model, timeout=20.0)
    assert (told.cause, told.text) == (Cause.TIMEOUT, "no first token within 0.1 s; the call was ended")
    entered.hook.remove()
    entered = slowed(model, "decoder", 0.05)
    assert model.generate(call(model, settings=Sampling(0.0, 5))).tokens.completion == 5
    assert len(entered) == 5


def slowed(model: TransformersModel, part: str, seconds: float) -> Entered:
    """The first layer of a side of the model takes so long more; and the list of when it did."""
    entered = Entered()

    def wait(*_: Any) -> None:
        entered.append(time.perf_counter())
        time.sleep(seconds)

    loaded, _ = model._open()
    entered.hook = getattr(loaded.model, part).block[0].register_forward_pre_hook(wait)
    return entered


def test_loading_counts_for_no_time_limit(opened_by: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    real = loading.load

    def slow(*args: Any) -> Any:
        time.sleep(2.1)
        return real(*args)

    monkeypatch.setattr(backend_module, "load", slow)
    model = opened_by()
    reply = model.generate(call(model, settings=Sampling(0.0, 1), timeout=2.0))
    assert reply.timings.load > 2.0


def test_calls_wait_for_each_other_and_the_wait_is_told(opened_by: Open) -> None:
    model = opened_by()
    wanted = model.generate(call(model)).text
    with ThreadPoolExecutor(4) as threads:
        replies = list(threads.map(lambda _: model.generate(call(model)), range(8)))
    assert {reply.text for reply in replies} == {wanted}
    assert max(reply.timings.queue for reply in replies) > 0
    with model._lock:
        told = failure(model, timeout=0.01)
    assert (told.cause, "other calls took the whole" in told.text) == (Cause.TIMEOUT, True)


def test_memory_that_runs_out_is_told_and_the_model_goes_on(opened_by: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    model = opened_by()

    def full(*args: Any) -> Any:
        return torch.empty(10**15)

    with monkeypatch.context() as patch:
        patch.setattr(backend_module, "_run", full)
        told = failure(model)
    assert (told.cause, "DialoGPT-small" in told.text) == (Cause.OUT_OF_MEMORY, True)
    assert model.generate(call(model)).text


def test_a_model_that_can_not_fit_is_refused_before_it_is_loaded(
    opened_by: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pytest_llmroute.backends.transformers_local import loading

    model = opened_by()
    monkeypatch.setattr(loading, "available_ram", lambda: model.folder.bytes * 3 // 4)
    told = failure(model)
    assert told.cause is Cause.OUT_OF_MEMORY
    assert 'dtype = "bfloat16" on its card would fit' in told.text
    half = opened_by(dtype="bfloat16")
    assert half.generate(call(half)).sent["dtype"] == "bfloat16"


def test_tools_and_schemas_are_refused(opened_by: Open) -> None:
    model = opened_by()
    assert failure(model, tools=({"name": "x"},)).cause is Cause.CAPABILITY
    assert failure(model, schema={"type": "object"}).cause is Cause.CAPABILITY


def test_damaged_weights_are_told(folders: dict[str, Path], tmp_path: Path) -> None:
    folder = shutil.copytree(folders["llama"], tmp_path / "damaged")
    (folder / "model.safetensors").write_bytes(b"no weights")
    told = failure(TransformersModel(ModelCard("damaged", "transformers", path=str(folder)), Surroundings()))
    assert told.cause is Cause.BACKEND


def test_a_device_that_torch_does_not_see_is_told(opened_by: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    told = failure(opened_by(device="cuda"))
    assert (told.cause, 'device = "cpu" goes on without' in told.text) == (Cause.BACKEND, True)


def test_the_cards_threads_hold_during_a_call_only(opened_by: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    real, seen = backend_module._run, list[int]()

    def run(*args: Any) -> Any:
        seen.append(torch.get_num_threads())
        return real(*args)

    monkeypatch.setattr(backend_module, "_run", run)
    before = torch.get_num_threads()
    model = opened_by(threads=3)
    model.generate(call(model))
    assert (seen, torch.get_num_threads()) == ([3], before)


# The end


def test_who_stops_listening_ends_the_call(opened_by: Open) -> None:
    model = opened_by("t5")
    slowed(model, "decoder", 0.01)
    pieces = model.stream(call(model, settings=Sampling(0.0, 100_000)))
    next(iter(pieces))
    pieces.close()  # type: ignore[attr-defined]
    assert not [thread for thread in threading.enumerate() if thread.name == "llmroute-transformers"]
    assert model.generate(call(model)).text


def test_an_error_in_a_stream_reaches_who_listens(opened_by: Open) -> None:
    model = opened_by()
    with pytest.raises(ModelCallError) as caught:
        list(model.stream(call(model, prompt="word " * 4000)))
    assert caught.value.cause is Cause.CONTEXT


def test_closing_ends_the_call_that_runs_and_frees_the_model(opened_by: Open) -> None:
    import gc
    import weakref

    model = opened_by("t5")
    entered = slowed(model, "decoder", 0.02)
    weak = weakref.ref(model._open()[0].model)
    with ThreadPoolExecutor(1) as threads:
        running = threads.submit(model.generate, call(model, settings=Sampling(0.0, 100_000)))
        while not entered:
            time.sleep(0.01)
        model.close()
        with pytest.raises(ModelCallError, match="closed while it answered"):
            running.result(10)
    del running, entered
    gc.collect()
    assert weak() is None
    model.close()


def test_nothing_is_asked_of_the_network(opened_by: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    import socket

    def refuse(*args: Any) -> Any:
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    model = opened_by()
    assert model.generate(call(model)).text


def test_loading_and_asking_print_nothing(tmp_path: Path) -> None:
    folder = tiny_models.phi(tmp_path / "phi")
    script = (
        "import sys\n"
        "from pytest_llmroute import Message, ModelCard\n"
        "from pytest_llmroute.backends.contract import Surroundings\n"
        "from pytest_llmroute.backends.transformers_local.backend import TransformersModel\n"
        "from pytest_llmroute.core.replies import Call\n"
        "from pytest_llmroute.core.requests import Sampling\n"
        "card = ModelCard('phi', 'transformers', path=sys.argv[1])\n"
        "model = TransformersModel(card, Surroundings())\n"
        "for prompt, temperature in (('fix', 0.0), ('fix', 1.0), ('word ' * 4000, 0.0)):\n"
        "    try:\n"
        "        model.generate(Call(card, (Message('user', prompt),), Sampling(temperature, 4)))\n"
        "    except Exception as error:\n"
        "        assert error.cause.value == 'context'\n"
        "model.close()\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script, str(folder)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


# The whole way


def test_a_suite_runs_on_a_folder(folders: dict[str, Path], tmp_path: Path) -> None:
    card = f'[models.house]\nbackend = "transformers"\npath = "{folders["gpt2"]}"\ndevice = "cpu"\nthreads = 1\n'
    (tmp_path / "llmroute.toml").write_text(card)
    (tmp_path / "test_it.py").write_text(
        "def test_it(llm):\n"
        "    reply = llm.generate('fix it', max_tokens=5)\n"
        "    assert (reply.tokens.completion, reply.tokens.exact, reply.model) == (5, True, 'house')\n"
    )
    command = [sys.executable, "-W", "error", "-m", "pytest", "-q", "--llm-model=house", "-p", "no:asyncio"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_an_agent_is_answered_by_its_model_where_it_is_in_the_cache(
    folders: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import pytest_llmroute
    from pytest_llmroute.api import agents

    monkeypatch.setattr(agents, "_engine", agents._engine.__wrapped__)  # else the one of another folder answers
    tiny_models.cached(folders["gpt2"], tmp_path / "cache", "microsoft/DialoGPT-small")
    monkeypatch.setenv("MODEL_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    reply = pytest_llmroute.ask_agent("hello", "health_agent")
    assert (reply.model, reply.link, reply.scripted) == ("microsoft/DialoGPT-small", "primary", False)
    assert reply.sent["max_tokens"] < 512
    assert reply.sent["temperature"] == 0.2


# Packed weights


def test_the_card_says_how_weights_are_packed(opened_by: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("accelerate")
    packed = loading._packing(ModelCard("x", "transformers", quantization="4bit"), "cuda")
    assert packed["quantization_config"].load_in_4bit
    assert packed["device_map"] == {"": "cuda"}
    if util.find_spec("bitsandbytes") is None:
        with pytest.raises(ModelCallError, match="pip install accelerate bitsandbytes"):
            opened_by(quantization="8bit")


# Downloads, from a hub of our own


@pytest.fixture
def hub(folders: dict[str, Path]) -> Iterator[Hub]:
    with Hub({"org/mini": folders["llama"]}, closed={"org/gated"}) as running:
        yield running


def test_a_model_is_downloaded_once_and_then_runs_offline(hub: Hub, tmp_path: Path) -> None:
    around = Surroundings({"HF_ENDPOINT": hub.url}, cache_dir=str(tmp_path / "cache"))
    card = ModelCard("org/mini", "transformers")
    with pytest.raises(ModelCallError, match="hf download org/mini"):
        TransformersModel(card, around)
    told: list[tuple[str, int, int]] = []
    found = fetch(card, around, lambda *step: told.append(step))
    assert found.digest == hub.commit
    assert told[-1][1] == told[-1][2] == sum(file.stat().st_size for file in found.path.iterdir())
    assert [step[1] for step in told] == sorted(step[1] for step in told)
    asked = len(hub.given)
    assert fetch(card, around) == found
    assert len(hub.given) == asked
    model = TransformersModel(card, Surroundings(cache_dir=around.cache_dir, offline=True))
    assert model.generate(call(model)).digest == hub.commit
    model.close()


def test_what_can_not_be_downloaded_has_its_cause(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def cause(name: str = "org/mini", *, offline: bool = False, url: str = hub.url, **fields: Any) -> tuple[Cause, str]:
        around = Surroundings({"HF_ENDPOINT": url}, cache_dir=str(tmp_path / "cache"), offline=offline)
        with pytest.raises(ModelCallError) as caught:
            fetch(ModelCard(name, "transformers", **fields), around)
        return caught.value.cause, caught.value.text

    assert cause(offline=True)[0] is Cause.MISSING_MODEL
    assert cause(path="/somewhere")[0] is Cause.MISSING_MODEL
    assert cause("org/gated") == (Cause.AUTH, f"the hub does not give it to everybody: {LOGIN}")
    assert "the hub has no org/unheard" in cause("org/unheard")[1]
    assert cause(url="http://127.0.0.1:9")[0] is Cause.REFUSED
    monkeypatch.setattr(shutil, "disk_usage", lambda path: type("Disk", (), {"free": 1000}))
    found = cause()
    assert (found[0], "MODEL_CACHE_DIR" in found[1]) == (Cause.MISSING_MODEL, True)
    assert hub.given == []


def test_of_a_repository_only_what_is_loaded_is_wanted() -> None:
    files = ["README.md", "config.json", "flax_model.msgpack", "merges.txt", "onnx/model.onnx", "pytorch_model.bin",
             "rust_model.ot", "tf_model.h5", "tokenizer.json", "spiece.model"]  # fmt: skip
    assert wanted(files) == ["config.json", "merges.txt", "pytorch_model.bin", "tokenizer.json", "spiece.model"]
    assert "pytorch_model.bin" not in wanted([*files, "model.safetensors"])


def test_what_was_downloaded_by_the_hubs_own_tool_is_found(hub: Hub, tmp_path: Path) -> None:
    from huggingface_hub import snapshot_download

    snapshot_download("org/mini", cache_dir=tmp_path, endpoint=hub.url)
    found = find_folder(ModelCard("org/mini", "transformers"), Surroundings(cache_dir=str(tmp_path)))
    assert found.digest == hub.commit
