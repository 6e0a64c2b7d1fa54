"""What an Ollama server tells of its models, as values; and how it names them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

NO_TRUNCATION_SINCE = (0, 12, 11)
"""The first release known to take `truncate` and `shift`; earlier ones cut a long prompt in silence."""


@dataclass(frozen=True, slots=True)
class Installed:
    """A model that the server has."""

    name: str
    digest: str = ""
    size: int = 0
    remote_host: str = ""
    """Where it runs, if it is not here."""

    @property
    def elsewhere(self) -> bool:
        return bool(self.remote_host) or looks_remote(self.name)


@dataclass(frozen=True, slots=True)
class Shown:
    """What the server tells of one model."""

    capabilities: frozenset[str] = frozenset()
    """Empty where an old server does not say."""
    context: int | None = None
    """The most that it was made for."""
    family: str = ""
    parameters: str = ""
    quantization: str = ""
    remote_host: str = ""
    remote_model: str = ""

    @property
    def elsewhere(self) -> bool:
        return bool(self.remote_host or self.remote_model)


@dataclass(frozen=True, slots=True)
class Resident:
    """A model in memory, by the server's own word: a hint, the process has the truth."""

    name: str
    digest: str = ""
    size: int = 0
    on_gpu: int = 0
    context: int | None = None


@dataclass(frozen=True, slots=True)
class Loaded:
    """How a model came into memory."""

    cold: bool
    """False where it was there before."""
    seconds: float


def full_name(name: str) -> str:
    """With its tag, as the server lists it."""
    return name if ":" in name.rpartition("/")[2] else f"{name}:latest"


def same_name(one: str, other: str) -> bool:
    return full_name(one).casefold() == full_name(other).casefold()


def looks_remote(name: str) -> bool:
    """Ollama passes on what is named so, whether or not it has been pulled."""
    tag = full_name(name).rpartition(":")[2].casefold()
    return tag == "cloud" or tag.endswith("-cloud")


def refuses_long_prompts(version: str) -> bool:
    """Whether this release takes `truncate` and `shift`. A build without a number is taken for a new one."""
    parts = re.match(r"v?(\d+)\.(\d+)\.(\d+)", version)
    number = tuple(int(part) for part in parts.groups()) if parts else (0, 0, 0)
    return number == (0, 0, 0) or number >= NO_TRUNCATION_SINCE


def table(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def tables(value: Any, key: str) -> list[dict[str, Any]]:
    found = table(value).get(key)
    return [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []


def text(of: Mapping[str, Any], key: str) -> str:
    value = of.get(key)
    return value if isinstance(value, str) else ""


def count(of: Mapping[str, Any], key: str) -> int:
    value = of.get(key)
    return value if isinstance(value, int) and value > 0 else 0
