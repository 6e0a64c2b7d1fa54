"""Model cards: what is known of a model before it is asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import PurePath

from pytest_llmroute.errors import Cause


class ModelCapability(StrEnum):
    """What a model can do: declared on its card, or told from its name."""

    TOOL_CALLING = "tool_calling"
    REASONING = "reasoning"
    PARALLEL_EXECUTION = "parallel_execution"
    REFLECTION = "reflection"
    CODE_GENERATION = "code_generation"
    MULTIMODAL = "multimodal"
    STRUCTURED_OUTPUT = "structured_output"
    LONG_CONTEXT = "long_context"
    INSTRUCTIONS = "instructions"
    SIMPLE_CHAT = "simple_chat"
    COMPLEX_CHAT = "complex_chat"
    SIMPLE_QA = "simple_qa"
    SUMMARIZATION = "summarization"
    CLASSIFICATION = "classification"
    COMPLEX_REASONING = "complex_reasoning"
    MULTI_STEP = "multi_step"


CAPABILITIES = tuple(str(capability) for capability in ModelCapability)
DEVICES = ("auto", "cpu", "cuda", "mps")
DTYPES = ("auto", "float32", "bfloat16", "float16")
QUANTIZATIONS = ("none", "8bit", "4bit")


_DECISIVE = ("name", "id", "prompt_format", "server", "api_version", "thinking")


@dataclass(frozen=True, slots=True)
class Source:
    """Where a figure is from."""

    source: str = ""
    date: str = ""


@dataclass(frozen=True, slots=True)
class Expected:
    """Somebody's estimates, shown as expected and never as a result; None = unknown."""

    ram_gb: float | None = None
    tokens_per_second: float | None = None
    requests_per_second: str = ""
    accuracy: str = ""
    download_gb: float | None = None
    source: str = ""
    date: str = ""


@dataclass(frozen=True, slots=True)
class Price:
    """US dollars per million tokens, with the source and date of the figure."""

    input: float
    output: float
    cached: float | None = None
    """For tokens in that come from the server's cache; None: as any other."""
    source: str = ""
    date: str = ""

    def cost(self, prompt_tokens: int, completion_tokens: int, cached_tokens: int = 0) -> float:
        cached = self.input if self.cached is None else self.cached
        fresh = prompt_tokens - cached_tokens
        return (fresh * self.input + cached_tokens * cached + completion_tokens * self.output) / 1_000_000


@dataclass(frozen=True, slots=True)
class PhaseSettings:
    """Settings for one phase; None leaves the choice to the next lower level."""

    temperature: float | None = None
    max_tokens: int | None = None
    top_p: float | None = None
    enable_reasoning: bool | None = None


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """When and how often one model is asked again before the chain goes on."""

    attempts: int = 3
    first_wait: float = 0.5
    factor: float = 2.0
    longest_wait: float = 20.0
    causes: tuple[str, ...] = (Cause.REFUSED.value, Cause.SERVER.value, Cause.RATE.value, Cause.TIMEOUT.value)

    def wait(self, failed: int) -> float:
        """Seconds to wait after `failed` tries."""
        return float(min(self.longest_wait, self.first_wait * self.factor ** (failed - 1)))

    def again(self, cause: Cause, failed: int) -> bool:
        return failed < self.attempts and cause.value in self.causes


@dataclass(frozen=True, slots=True)
class ModelCard:
    """One model: how it is reached, its limits and its defaults."""

    name: str
    backend: str
    remote: bool = False
    aliases: tuple[str, ...] = ()
    id: str = ""
    """The server's name for it, where that is another."""
    path: str = ""
    """A GGUF file for the embedded engine, `ollama:NAME` for one that Ollama has pulled, or a folder for transformers."""
    threads: int | None = None
    device: str = "auto"
    dtype: str = "auto"
    quantization: str = "none"
    base_url: str = ""
    server: str = ""
    """What kind of server it is, for its address and its ways: openai, gemini, llama.cpp, vllm, lm-studio, llama-swap."""
    api_version: str = ""
    """Of Anthropic's API, where the newest is not wanted: the older one takes temperature and top_p."""
    timeout: float | None = None
    """Seconds for one try of one call; the test's own limit holds for all of them together."""
    first_token: float | None = None
    """Seconds until the first piece of a reply, within `timeout`; the embedded engine has none. For Anthropic it limits each silence too."""
    stream: bool = True
    """Whether replies are streamed, so that the time to the first token is known."""
    api_key_env: str = ""
    family: str = ""
    display_name: str = ""
    parameters: str = ""
    context: int | None = None
    max_output: int | None = None
    capabilities: frozenset[str] = frozenset()
    thinking: str = ""
    prompt_format: str = ""
    template: str = ""
    """The type of the template for requests that name none."""
    max_iterations: int | None = None
    max_parallel_calls: int | None = None
    temperature: float | None = None
    max_tokens: int | None = None
    top_p: float | None = None
    phases: Mapping[str, PhaseSettings] = field(default_factory=dict)
    retry: RetryPolicy = RetryPolicy()
    best_for: str = ""
    instructions: str = ""
    tips: tuple[str, ...] = ()
    expected: Expected = field(default_factory=Expected)
    price: Price | None = None
    sources: Mapping[str, Source] = field(default_factory=dict)
    """Where the figures `context` and `max_output` are from."""

    @property
    def served_as(self) -> str:
        """The name that its server, file or hub knows it by."""
        return self.id or self.name

    @property
    def scripted(self) -> bool:
        return self.backend == "scripted"

    @property
    def decisive(self) -> dict[str, str]:
        """What plays a part in what the model says, as plain data; where its file lies differs between machines."""
        values = {
            "backend": self.backend,
            "file": PurePath(self.path).name,
            "dtype": self.dtype if self.dtype != "auto" else "",
            "quantization": self.quantization if self.quantization != "none" else "",
            **{name: getattr(self, name) for name in _DECISIVE},
        }
        return {name: value for name, value in values.items() if value}
