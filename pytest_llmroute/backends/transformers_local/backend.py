"""The backend `transformers`: local causal and encoder-decoder models, run in this process by torch."""

from __future__ import annotations

import logging
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from queue import SimpleQueue
from typing import Any

from pytest_llmroute.backends.contract import MOST_TOKENS, Surroundings
from pytest_llmroute.backends.transformers_local.files import ModelFolder, find_folder
from pytest_llmroute.backends.transformers_local.loading import Loaded, free_memory, load
from pytest_llmroute.backends.transformers_local.missing import missing_package
from pytest_llmroute.backends.transformers_local.prompting import ends_of, format_name, ids_of, written
from pytest_llmroute.backends.transformers_local.trouble import cause_of
from pytest_llmroute.backends.transformers_local.watching import Dropped, Late, Sampler, Watch
from pytest_llmroute.core.models import ModelCard
from pytest_llmroute.core.replies import Call, Reply, Timings, Tokens
from pytest_llmroute.core.stops import telling
from pytest_llmroute.errors import Cause, ModelCallError

log = logging.getLogger("pytest_llmroute.backends")


class TransformersModel:
    """One opened model; calls come one after the other, whoever asks. The first one loads it."""

    def __init__(self, card: ModelCard, around: Surroundings) -> None:
        if lacking := missing_package(card):
            raise ModelCallError(Cause.BACKEND, f"{lacking.what}: {lacking.fix}", model=card.name)
        self.card, self._around = card, around
        self.folder: ModelFolder = find_folder(card, around)
        self._lock = threading.Lock()
        self._loaded: Loaded | None = None
        self._gone = threading.Event()
        """Of the call that runs now: nobody waits for it any longer."""

    def generate(self, call: Call) -> Reply:
        gone = threading.Event()
        try:
            with telling(call.stop, gone.set):
                return self._answer(call, None, gone)
        except Dropped:
            raise self._error(Cause.BACKEND, "closed while it answered") from None

    def stream(self, call: Call) -> Iterator[str]:
        """The text piece by piece; who stops listening ends the call."""
        pieces: SimpleQueue[str | BaseException | None] = SimpleQueue()
        gone = threading.Event()

        def work() -> None:
            try:
                self._answer(call, pieces.put, gone)
                pieces.put(None)
            except BaseException as error:
                pieces.put(error)

        thread = threading.Thread(target=work, name="llmroute-transformers", daemon=True)
        thread.start()
        try:
            while (piece := pieces.get()) is not None:
                if isinstance(piece, Dropped):
                    raise self._error(Cause.BACKEND, "closed while it answered")
                if isinstance(piece, BaseException):
                    raise piece
                yield piece
        finally:
            gone.set()
            thread.join()

    def load(self) -> None:
        with self._lock:
            self._open()

    def unload(self) -> None:
        """Waits for the call that runs, and frees the model."""
        with self._lock:
            was, self._loaded = self._loaded, None
            if was is not None:
                del was
                free_memory()

    def resident(self) -> int:
        """Bytes of its weights."""
        loaded = self._loaded
        return int(loaded.model.get_memory_footprint()) if loaded is not None else 0

    def close(self) -> None:
        """Ends the call that runs and frees the model."""
        self._gone.set()
        self.unload()

    def _answer(self, call: Call, say: Callable[[str], None] | None, gone: threading.Event) -> Reply:
        if call.tools or call.schema is not None:
            what = "tools" if call.tools else "schema"
            raise self._error(Cause.CAPABILITY, f"the backend transformers can't hold a model to {what}")
        asked = time.perf_counter()
        if not self._lock.acquire(timeout=-1 if call.timeout is None else call.timeout):
            raise self._error(Cause.TIMEOUT, f"other calls took the whole {call.timeout:.3g} s")
        try:
            self._gone = gone
            queued = time.perf_counter() - asked
            loaded, load_s = self._open()
            left = None if call.timeout is None else call.timeout - queued
            with self._explained():
                return self._generate(call, loaded, say, gone, asked, Timings(queue=queued, load=load_s), left)
        finally:
            self._lock.release()

    def _open(self) -> tuple[Loaded, float]:
        """The loaded model, and the seconds that it took: they count for no time limit, nothing can end them."""
        if self._loaded is not None:
            return self._loaded, 0.0
        started = time.perf_counter()
        with self._explained():
            self._loaded = load(self.card, self.folder, self._around)
        took = time.perf_counter() - started
        log.info("[Transformers] loaded model=%s device=%s dtype=%s loadTime=%.0fms", self.card.name,
                 self._loaded.device, self._loaded.dtype, took * 1000)  # fmt: skip
        return self._loaded, took

    def _generate(
        self, call: Call, loaded: Loaded, say: Callable[[str], None] | None, gone: threading.Event,
        asked: float, so_far: Timings, left: float | None,
    ) -> Reply:  # fmt: skip
        started = time.perf_counter()
        ends, stops = ends_of(self.card, loaded)
        text = written(self.card, loaded.tokenizer, call.messages, reasoning=call.settings.reasoning)
        ids = ids_of(loaded, text)
        sent = self._sent(call, loaded, ids.shape[1])
        watch = Watch(loaded.decode, (*call.settings.stop, *stops), loaded.clock, say)
        loaded.clock.start(left, self.card.first_token, gone)
        try:
            with _threads(self.card.threads):
                out = watch.new(_run(loaded, ids, ends, sent, watch))
        finally:
            loaded.clock.stop()
        finished = watch.finish(loaded.decode(out))
        ended = time.perf_counter()
        first = watch.first or ended
        return Reply(
            text=finished,
            model=self.card.name,
            tokens=Tokens(ids.shape[1], len(out)),
            timings=Timings(
                queue=so_far.queue, load=so_far.load, prefill=first - started, decode=ended - first,
                total=ended - asked, first=first - asked,
            ),
            finish="stop" if watch.stopped or (len(out) and int(out[-1]) in ends) else "length",
            digest=self.folder.digest,
            cold=so_far.load > 0,
            sent=sent,
        )  # fmt: skip

    def _sent(self, call: Call, loaded: Loaded, prompt: int) -> dict[str, Any]:
        """The settings as they hold; a prompt without room for a reply is refused."""
        if prompt == 0:
            raise self._error(Cause.BACKEND, "the prompt is empty")
        import torch

        settings, context = call.settings, loaded.context
        room = None if context is None else context - (0 if loaded.two_sided else prompt)
        if context is not None and room is not None and (room < 1 or prompt > context):
            raise self._error(Cause.CONTEXT, f"the prompt has {prompt} tokens, the context holds {context}")
        most = settings.max_tokens or MOST_TOKENS
        lower = self.card.temperature, self.card.top_p
        temperature, top_p = (
            own if own is not None else card
            for own, card in zip((settings.temperature, settings.top_p), lower, strict=True)
        )
        return {
            "temperature": temperature or 0.0,
            "top_p": 1.0 if top_p is None else top_p,
            "max_tokens": most if room is None else min(most, room),
            "seed": settings.seed or 0,
            "stop": list(settings.stop),
            "device": loaded.device,
            "dtype": loaded.dtype,
            "quantization": self.card.quantization,
            "prompt_format": format_name(self.card, loaded.tokenizer),
            "n_ctx": context,
            "n_threads": self.card.threads or torch.get_num_threads(),
        }

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Whatever torch or transformers raise, with its cause."""
        try:
            yield
        except (ModelCallError, Dropped):
            raise
        except Late as late:
            raise self._error(Cause.TIMEOUT, f"{late}; the call was ended") from None
        except Exception as error:
            explained = self._error(*cause_of(error, self.card))
            if explained.cause is Cause.OUT_OF_MEMORY:
                traceback.clear_frames(error.__traceback__)  # they hold what filled the memory
            else:
                explained.__cause__ = error
        else:
            return
        if explained.cause is Cause.OUT_OF_MEMORY:
            free_memory()
        raise explained

    def _error(self, cause: Cause, text: str) -> ModelCallError:
        return ModelCallError(cause, text, model=self.card.name)


def _run(loaded: Loaded, ids: Any, ends: tuple[int, ...], sent: Mapping[str, Any], watch: Watch) -> Any:
    """All tokens that come back, with those of the prompt where the model gives them too."""
    from transformers import LogitsProcessorList, StoppingCriteriaList

    processors = LogitsProcessorList()
    if sent["temperature"]:
        processors.append(Sampler(sent["temperature"], sent["top_p"], sent["seed"]))
    pad = loaded.tokenizer.pad_token_id
    return loaded.model.generate(
        input_ids=ids,
        attention_mask=ids.new_ones(ids.shape),
        do_sample=False,
        max_new_tokens=sent["max_tokens"],
        eos_token_id=list(ends) or None,
        pad_token_id=pad if pad is not None else next(iter(ends), 0),
        logits_processor=processors,
        stopping_criteria=StoppingCriteriaList([watch]),
    )


@contextmanager
def _threads(count: int | None) -> Iterator[None]:
    """So many threads of torch, and afterwards as many as before."""
    import torch

    before = torch.get_num_threads()
    if count:
        torch.set_num_threads(count)
    try:
        yield
    finally:
        if count:
            torch.set_num_threads(before)
