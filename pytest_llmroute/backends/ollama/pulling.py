"""A pull as it goes: progress over all parts of a model, and whether the disk holds what is still to come."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from pytest_llmroute.backends.ollama.address import Address
from pytest_llmroute.backends.pulled import models_folder
from pytest_llmroute.codes import Code
from pytest_llmroute.errors import Cause, ModelCallError, UserError, printable


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a pull is: bytes over all its parts that are known by now."""

    status: str
    done: int = 0
    total: int = 0


def free_space(address: Address, env: Mapping[str, str]) -> int | None:
    """Free bytes where the server keeps its models; None where that is another machine."""
    if not address.loopback:
        return None
    folder = models_folder(env)
    there = next((path for path in (folder, *folder.parents) if path.is_dir()), None)
    return shutil.disk_usage(there).free if there is not None else None


def followed(pieces: Iterable[tuple[str, str, int, int]]) -> Iterator[Progress]:
    """Progress summed over the parts; ends with `success`, or raises."""
    parts: dict[str, tuple[int, int]] = {}
    status = ""
    for status, part, done, total in pieces:
        if part:
            before = parts.get(part, (0, 0))
            parts[part] = (max(before[0], done), max(before[1], total))
        yield Progress(status, *(sum(bytes_[side] for bytes_ in parts.values()) for side in (0, 1)))
    if status != "success":
        raise ModelCallError(Cause.SERVER, f'the pull broke off after "{printable(status, 80)}"')


def check_room(name: str, wanted: int, free: int | None) -> None:
    """Whether the disk holds what is still to come."""
    if free is not None and wanted > free:
        raise UserError(
            f"{printable(name, 80)} needs {wanted / 1e9:.1f} GB more on the disk, {free / 1e9:.1f} GB are free",
            code=Code.BACKEND,
            means="the pull was not begun, or was stopped; the parts that came are kept",
            fix="ollama rm MODEL (ollama list names them), or set OLLAMA_MODELS of the server to a larger disk",
        )


def pull_failure(error: ModelCallError, name: str) -> ModelCallError:
    """What the library or the way there had to say."""
    said = error.text.lower()
    if error.cause is Cause.MISSING_MODEL or re.search("file does not exist|manifest unknown", said):
        text = f"Ollama's library has no {printable(name, 80)}: see https://ollama.com/library"
        return ModelCallError(Cause.MISSING_MODEL, text)
    if re.search("no such host|dial tcp|network is unreachable|tls handshake", said):
        return ModelCallError(Cause.REFUSED, f"the server can't reach Ollama's library: {error.text}")
    if "no space left" in said:
        return ModelCallError(Cause.BACKEND, f"the server's disk is full: {error.text}")
    return error
