"""The keys of the configuration's tables: models, profiles, strategies, phases, agents, templates.

With the options (`options.py`) they are the whole of the file; schema and reference page are made from both.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from pytest_llmroute.core.attempts import FEEDBACK, HINTS, MODES, STOPS, VERIFIERS
from pytest_llmroute.core.models import CAPABILITIES, DEVICES, DTYPES, QUANTIZATIONS
from pytest_llmroute.core.profiles import ROLES
from pytest_llmroute.errors import Cause

Schema = Mapping[str, Any]
TEXT: Schema = {"type": "string", "minLength": 1, "maxLength": 4000}
NAME: Schema = {"type": "string", "minLength": 1, "maxLength": 200}
TEXTS: Schema = {"type": "array", "items": TEXT}
SHARE: Schema = {"type": "number", "minimum": 0, "maximum": 1}
POSITIVE: Schema = {"type": "number", "exclusiveMinimum": 0, "maximum": 1e9}
COUNT: Schema = {"type": "integer", "minimum": 1, "maximum": 1_000_000_000}
WEIGHT: Schema = {"type": "number", "minimum": 0, "maximum": 1000, "description": "a number from 0 to 1000"}
FLAG: Schema = {"type": "boolean"}
TEMPERATURE: Schema = {"type": "number", "minimum": 0, "maximum": 2}
DATE: Schema = {"type": "string", "pattern": r"^\d{4}-\d{2}-\d{2}$"}
BACKENDS = ("scripted", "embedded", "ollama", "openai", "anthropic", "transformers")
SERVERS = ("openai", "gemini", "llama.cpp", "vllm", "lm-studio", "llama-swap")
THINKING = ("none", "optional", "always")


def one_of(*names: str) -> Schema:
    return {"type": "string", "enum": list(names)}


def table(keys: tuple[Key, ...], **more: Any) -> Schema:
    """An object with these keys and no others."""
    properties = {key.name: {**key.schema, "description": key.help} for key in keys}
    required = [key.name for key in keys if key.required]
    return {
        "type": "object",
        "additionalProperties": False,
        "properties": properties,
        **({"required": required} if required else {}),
        **more,
    }


def named(schema: Schema) -> Schema:
    """A table of entries by name."""
    return {
        "type": "object",
        "additionalProperties": schema,
        "propertyNames": {"minLength": 1, "maxLength": 200, "pattern": r"^[^\x00-\x1f\x7f,]+$"},
    }


class Key(NamedTuple):
    """One key of a table."""

    name: str
    schema: Schema
    help: str
    required: bool = False


SOURCE = (
    Key("source", TEXT, "where the figure is from"),
    Key("date", DATE, "its date, as 2026-11-21"),
)
SETTINGS = (
    Key("temperature", TEMPERATURE, "a number from 0 to 2"),
    Key("max_tokens", COUNT, "the most tokens of a reply"),
    Key("top_p", SHARE, "a number from 0 to 1"),
)
PHASE = (
    *SETTINGS,
    Key("enable_reasoning", FLAG, "whether a model that can think before it answers shall do so"),
    Key("best_for", TEXT, "what the phase is for"),
)
RETRY = (
    Key("attempts", {"type": "integer", "minimum": 1, "maximum": 20}, "how often one model is tried in all"),
    Key("first_wait", {"type": "number", "minimum": 0, "maximum": 600}, "seconds before the second try"),
    Key("factor", {"type": "number", "minimum": 1, "maximum": 10}, "each wait is this many times the one before"),
    Key("longest_wait", {"type": "number", "minimum": 0, "maximum": 3600}, "no wait is longer, in seconds"),
    Key("causes", {"type": "array", "items": one_of(*(cause.value for cause in Cause))}, "what is worth a second try"),
)
FIGURE: Schema = {
    **table((Key("value", COUNT, "the number", required=True), *SOURCE)),
    "type": ["integer", "object"],
    "minimum": 1,
}
EXPECTED = (
    Key("ram_gb", POSITIVE, "gigabytes of RAM"),
    Key("tokens_per_second", POSITIVE, "tokens per second"),
    Key("requests_per_second", TEXT, "requests per second, as the source words it"),
    Key("accuracy", TEXT, "how good it is, as the source words it"),
    Key("download_gb", POSITIVE, "gigabytes to download"),
    *SOURCE,
)
PRICE = (
    Key("input", {"type": "number", "minimum": 0, "maximum": 1e6}, "US dollars per million tokens in", required=True),
    Key("output", {"type": "number", "minimum": 0, "maximum": 1e6}, "US dollars per million tokens out", required=True),
    Key("cached", {"type": "number", "minimum": 0, "maximum": 1e6}, "US dollars per million tokens from the cache"),
    *SOURCE,
)
MODEL = (
    Key("extends", NAME, "the card that this one starts from"),
    Key("backend", NAME, "how it is reached: " + ", ".join(BACKENDS) + ", or one that a hook brings"),
    Key("id", NAME, "the name that the server knows it by, where that is another"),
    Key(
        "path", TEXT,
        "a GGUF file for the embedded engine, ollama:NAME for a model that Ollama has pulled, or a folder for transformers",
    ),
    Key("threads", {"type": "integer", "minimum": 1, "maximum": 1024}, "threads of the embedded engine or of transformers"),
    Key("device", one_of(*DEVICES), "where transformers runs it: " + ", ".join(DEVICES)),
    Key("dtype", one_of(*DTYPES), "the type of its weights in transformers: " + ", ".join(DTYPES)),
    Key("quantization", one_of(*QUANTIZATIONS), "how transformers packs its weights: " + ", ".join(QUANTIZATIONS)),
    Key("remote", FLAG, "whether a call leaves the machine"),
    Key("aliases", {"type": "array", "items": NAME}, "further names"),
    Key("server", one_of(*SERVERS), "what kind of server it is: gives the address and its ways"),
    Key("api_version", one_of("2023-06-01", "2026-10-21"), "of Anthropic's API; the older one takes temperature and top_p"),
    Key("timeout", POSITIVE, "seconds for one try of one call; the test's limit holds for all tries together"),
    Key("first_token", POSITIVE, "seconds until the first piece of a reply; not for the embedded engine"),
    Key("stream", FLAG, "stream replies (the default), so that the time to the first token is known"),
    Key("base_url", {"type": "string", "pattern": "^https?://[^ ]+$"}, "the server's address: http://… or https://…"),
    Key(
        "api_key_env", {"type": "string", "pattern": "^[A-Za-z_][A-Za-z0-9_]*$"},
        "the name of the environment variable that holds the key, never the key",
    ),
    Key("family", NAME, "the family: qwen, llama, gemma, …"),
    Key("display_name", TEXT, "the name for people"),
    Key("parameters", TEXT, "its size, as 14B"),
    Key("context", FIGURE, "tokens of the context window"),
    Key("max_output", FIGURE, "the most tokens of one reply"),
    Key("capabilities", {"type": "array", "items": one_of(*CAPABILITIES)}, "what it can do: " + ", ".join(CAPABILITIES)),
    Key("thinking", one_of(*THINKING), "whether it thinks before it answers: " + ", ".join(THINKING)),
    Key("prompt_format", NAME, "how its conversations are written down: chatml, llama3, gemma, …"),
    Key("template", NAME, "the template for requests that name none: detailed, concise, completion, …"),
    Key("max_iterations", {"type": "integer", "minimum": 1, "maximum": 1000}, "steps of an agent's loop that make sense"),
    Key("max_parallel_calls", {"type": "integer", "minimum": 1, "maximum": 1000}, "tool calls at once that make sense"),
    *SETTINGS,
    Key("phases", named(table(PHASE)), "its own settings by phase"),
    Key("retry", table(RETRY), "when and how often a failed call is tried again"),
    Key("best_for", TEXT, "what it is good at"),
    Key("instructions", TEXT, "what it needs to be told; templates have it as {instructions}"),
    Key("tips", TEXTS, "advice on its use"),
    Key("expected", table(EXPECTED), "somebody's estimates, shown as expected and never as a result"),
    Key("price", table(PRICE), "what it costs"),
)  # fmt: skip
AGENT = (
    Key("model", NAME, "a role or a model"),
    Key("max_tokens", COUNT, "the most tokens of a reply"),
    Key("temperature", TEMPERATURE, "a number from 0 to 2"),
    Key("purpose", TEXT, "what it does"),
)
PROFILE = (
    Key("extends", NAME, "the profile that this one starts from"),
    Key("about", TEXT, "one line for lists"),
    Key("roles", table(tuple(Key(role, NAME, "a model") for role in ROLES)), "which model plays which role"),
    Key("agents", named(table(AGENT)), "its own settings of agents"),
    Key(
        "overrides", {"type": "object", "additionalProperties": NAME, "propertyNames": {"pattern": r"^[^.]+\..+$"}},
        'single cells, as "balanced.fix" = "large"',
    ),
)  # fmt: skip
_WHO: Schema = {"type": ["string", "array"], "items": NAME, "minItems": 1, "minLength": 1}
RULE = (
    Key("user", _WHO, "a user, or a list of them"),
    Key("agent", _WHO, "an agent, or a list of them"),
    Key("phase", _WHO, "a phase, or a list of them"),
    Key("task", _WHO, "a task, or a list of them"),
    Key("use", NAME, "a role or a model", required=True),
)
LADDER = (
    Key("small", NAME, "the role or model that tries; with `large` it makes the strategy a ladder, which has no table of tasks"),
    Key("large", NAME, "the role or model that is asked when the attempts have failed"),
    Key("mode", one_of(*MODES), "sequential: the large model is asked after the attempts; parallel: at the same time, the first accepted answer counts"),
    Key(
        "temperatures", {"type": "array", "items": TEMPERATURE, "minItems": 1, "maxItems": 10},
        "of the attempts, one each; the last one holds for further ones",
    ),
    Key("formulations", {"type": "array", "items": NAME, "minItems": 1}, "types of templates that attempts take in turn; own: as task and model say"),
    Key("hints", one_of(*HINTS), "what a hint may show at most: nothing, the kind of error, the call that failed, the assert"),
    Key(
        "context", {"type": "array", "items": {"type": "number", "exclusiveMinimum": 0, "maximum": 1}, "minItems": 1},
        "shares of the tests that attempts are told; the last one holds for further ones",
    ),
    Key("stop", one_of(*STOPS), "learned: as many attempts as earlier runs say are worth it; fixed: one for each temperature"),
    Key("verifier", one_of(*VERIFIERS), "what accepts an answer: the task's check, its first assert, the syntax, a model's word"),
    Key("judge", NAME, "the role or model that the verifier `model` asks"),
    Key(
        "feedback", one_of(*FEEDBACK),
        "all tests decide and score; or the first one decides (visible); or the challenge scores (challenge)",
    ),
)  # fmt: skip
STRATEGY = (
    Key("extends", NAME, "the strategy that this one starts from; it must be a table too"),
    Key("about", TEXT, "one line for lists"),
    Key("rules", {"type": "array", "items": table(RULE)}, "the first rule that fits decides; then the table of tasks"),
    Key("tasks", {"type": "object", "additionalProperties": NAME}, "task = role or model"),
    Key("default", NAME, "the role or model for every other task"),
    Key("fallback", {"type": "array", "items": NAME}, "roles or models that are asked when the first one fails"),
    Key("canned", FLAG, "whether a canned text ends the chain; it never counts as success"),
    *LADDER,
)
_PART: Schema = {"type": "string", "pattern": "^[A-Za-z_][A-Za-z0-9_]*$"}
SECTION = (
    Key("text", TEXT, "a paragraph, with {name} for what is filled in", required=True),
    Key("needs", {"type": "array", "items": _PART}, "left out where one of these is missing or empty"),
    Key("pieces", {"type": "integer", "minimum": 1, "maximum": 1000}, "of parts that are lists, this many at most"),
    Key("spare", FLAG, "left out first where the prompt shall be shorter"),
)
TEMPLATE = (
    Key("extends", NAME, "the template that this one starts from"),
    Key("type", NAME, "what it is asked for by: detailed, planning, …; its own name unless said"),
    Key("models", {"type": "array", "items": NAME}, "for these models only"),
    Key("families", {"type": "array", "items": NAME}, "for these families only"),
    Key("tasks", {"type": "array", "items": NAME}, "requests of these tasks that name no template are put into it"),
    Key("text", TEXT, "the text with {name} for what is filled in; {{ and }} are braces"),
    Key("file", NAME, "a file beside the configuration that holds the text"),
    Key("system", TEXT, "a system message before it, where the request has none"),
    Key(
        "sections",
        {"type": "array", "items": table(SECTION)},
        "paragraphs after the text, some told only where a task has the parts",
    ),
    Key(
        "opening", TEXT, "what the model is to continue, as {start}: the prompt is one text, the reply begins with this"
    ),
    Key("parts", {"type": "array", "items": _PART}, "names of parts of your own that its texts use"),
)


class Section(NamedTuple):
    """A table of the file with entries by name."""

    name: str
    keys: tuple[Key, ...]
    about: str

    @property
    def schema(self) -> Schema:
        return {**named(table(self.keys)), "description": self.about}


SECTIONS: tuple[Section, ...] = (
    Section("models", MODEL, "model cards"),
    Section("profiles", PROFILE, "sets of models that play the roles"),
    Section("strategies", STRATEGY, "strategies as tables and rules"),
    Section("phases", PHASE, "settings by phase"),
    Section("agents", AGENT, "agents, for every profile"),
    Section("templates", TEMPLATE, "how prompts are told, by type, task, family and model"),
)
TASK_NAMES = Key("task_names", {"type": "array", "items": NAME}, "names of tasks beside the built-in ones")
