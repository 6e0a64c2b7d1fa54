"""The reference pages that are made from the tables: options and keys, error codes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from pytest_llmroute.codes import Code
from pytest_llmroute.config.keys import SECTIONS, TASK_NAMES, Key
from pytest_llmroute.config.options import OPTIONS, Option

HEAD = """# Configuration reference

<!-- Made from the tables of options and keys by `python tests/renew`; a test fails when it is stale. -->

Values come from the first place that holds one: a forced model (`LLM_MODEL_OVERRIDE`), the test's own marker, the
command line, the environment, pytest's ini, the project's file, the user's file, built in.
[Configuration](configuration.md) tells the rules with examples; `llmroute config show --origin` shows what holds here.
"""
ENVIRONMENT = """

## Other variables

Read at each call; an empty variable counts as unset. No name is guessed from the environment: it is only gone
through to keep the values of variables called `…_API_KEY`, `…_TOKEN`, `…_SECRET`, `…_PASSWORD` out of records, and by
`config validate`, which names variables with our prefixes that nothing reads.

| variable | meaning |
|---|---|
| `LLM_MODEL_OVERRIDE` | this model answers everything; every record says "forced" |
| `LOCAL_LLM_ENABLED` | false takes the local model out of hybrid, local_fallback and local_only |
| `LOCAL_MODEL_NAME` | the local model of these strategies |
| `<AGENT>_MODEL` | the model of one known agent: `DETECTION_AGENT_MODEL`, `ORCHESTRATOR_MODEL`, … |
| `VIBEAGENT_MODEL_DEFAULT` | the model of `load_config_from_env()` |
| `VIBEAGENT_MODEL_TEMPERATURE_<PHASE>` | the temperature of a phase, for every model |
| `VIBEAGENT_MODEL_MAX_TOKENS` | the most tokens of a reply, for every model |
| `NO_COLOR`, `FORCE_COLOR` | colours of `llmroute` off or on |
"""


def page() -> str:
    """`docs/reference.md`."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield HEAD
    yield "## Options\n"
    yield "| key in the file | command line | ini | environment | default | meaning |"
    yield "|---|---|---|---|---|---|"
    for option in OPTIONS:
        yield _row(option)
    yield f"| `{TASK_NAMES.name}` | | | | | {TASK_NAMES.help} |"
    yield ENVIRONMENT
    for section in SECTIONS:
        yield f"## `[{section.name}.NAME]`: {section.about}\n"
        yield "| key | value | meaning |"
        yield "|---|---|---|"
        for key, name in _keys(section.keys):
            yield f"| `{name}` | {_type(key.schema)} | {_cell(key.help)}{' (must be there)' if key.required else ''} |"
        yield ""


def _row(option: Option) -> str:
    flag = f"`{option.flag}{'=' + option.metavar if option.metavar else ''}`" if option.command_line else ""
    env = ", ".join(f"`{name}`" for name in option.env)
    file = f"`{option.file}`" if option.file else ""
    ini = f"`{option.ini}`" if option.ini else ""
    default = "" if option.default in (None, (), {}, False) else f"`{option.default}`"
    bounds = f" ({option.least:g} to {option.most:g})" if option.kind == "number" else ""
    choices = f" ({', '.join(option.choices)})" if option.choices and not option.metavar else ""
    return f"| {file} | {_cell(flag)} | {ini} | {env} | {default} | {_cell(option.help)}{bounds}{choices} |"


def _keys(keys: tuple[Key, ...], prefix: str = "") -> Iterator[tuple[Key, str]]:
    for key in keys:
        yield key, prefix + key.name


def _type(schema: Mapping[str, Any]) -> str:
    if "enum" in schema:
        return (
            "one of "
            + ", ".join(f"`{value}`" for value in schema["enum"][:6])
            + (", …" if len(schema["enum"]) > 6 else "")
        )
    kind = schema.get("type")
    if isinstance(kind, list):
        return " or ".join(_type({**schema, "type": each}) for each in kind)
    if kind == "array":
        return f"list of {_type(schema['items'])}"
    if kind == "object":
        inner = schema.get("properties")
        return f"table: {', '.join(f'`{name}`' for name in inner)}" if inner else "table"
    names = {"string": "text", "integer": "whole number", "number": "number", "boolean": "true or false"}
    return names.get(str(kind), json.dumps(kind))


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def errors_page() -> str:
    """`docs/errors.md`."""
    lines = [
        "# Errors by code",
        "",
        "<!-- Made from the table of codes by `python tests/renew`; a test fails when it is stale. -->",
        "",
        "Every message says what happened, what it means, what fixes it, and how to go on without.",
        "A traceback shows only with `pytest --llm-debug` or `llmroute --debug`.",
        "",
    ]
    for code in Code:
        lines += [f"## {code.number}: {code.title}", "", code.about, ""]
    return "\n".join(lines)
