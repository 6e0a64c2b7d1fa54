"""What the head of a GGUF file says: enough to refuse what is none, and to know context and chat template."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

MAGIC = b"GGUF"
VERSIONS = (2, 3)
_SIZES = {0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<?", 10: "<Q", 11: "<q", 12: "<d"}
_TEXT, _LIST = 8, 9
MOST_KEYS = 100_000


class NotGGUF(Exception):
    """The file is something else, or cut short."""


@dataclass(frozen=True, slots=True)
class Head:
    """The figures of one file."""

    architecture: str
    context: int | None
    chat_template: bool
    tensors: int
    size: int
    cache: int
    """Bytes of the cache for each token of context; about, where a file says it in its own way."""


def read_head(path: Path) -> Head:
    """Reads the metadata, skipping long lists; the tensors are not looked at."""
    try:
        with path.open("rb") as file:
            if file.read(4) != MAGIC:
                raise NotGGUF("it does not begin with GGUF")
            (version,) = struct.unpack("<I", file.read(4))
            if version not in VERSIONS:
                raise NotGGUF(
                    f"it is GGUF of version {version}, and this engine knows {' and '.join(map(str, VERSIONS))}"
                )
            tensors, keys = struct.unpack("<QQ", file.read(16))
            if keys > MOST_KEYS:
                raise NotGGUF("its head makes no sense")
            found = dict(_pair(file) for _ in range(keys))
    except (struct.error, UnicodeDecodeError, MemoryError, OverflowError):
        raise NotGGUF("it is cut short or damaged") from None
    architecture = str(found.get("general.architecture", ""))
    context = found.get(f"{architecture}.context_length")
    return Head(
        architecture, context if isinstance(context, int) else None, "tokenizer.chat_template" in found, tensors,
        path.stat().st_size, _cache(found, architecture),
    )  # fmt: skip


def _cache(found: dict[str, Any], architecture: str) -> int:
    """Keys and values of all layers, two bytes each."""

    def figure(name: str, otherwise: int) -> int:
        value = found.get(f"{architecture}.{name}")
        return value if isinstance(value, int) and value > 0 else otherwise

    heads = figure("attention.head_count", 1)
    width = figure("attention.key_length", figure("embedding_length", 0) // heads)
    return 4 * figure("block_count", 0) * figure("attention.head_count_kv", heads) * width


def _pair(file: BinaryIO) -> tuple[str, Any]:
    key = _text(file)
    (kind,) = struct.unpack("<I", file.read(4))
    return key, _value(file, kind)


def _value(file: BinaryIO, kind: int) -> Any:
    if kind == _TEXT:
        return _text(file)
    if kind != _LIST:
        if kind not in _SIZES:
            raise NotGGUF("its head holds a value of an unknown kind")
        layout = _SIZES[kind]
        return struct.unpack(layout, file.read(struct.calcsize(layout)))[0]
    inner, count = struct.unpack("<IQ", file.read(12))
    if inner in _SIZES:
        file.seek(struct.calcsize(_SIZES[inner]) * count, 1)
        return None
    for _ in range(count):
        _value(file, inner)
    return None


def _text(file: BinaryIO) -> str:
    (length,) = struct.unpack("<Q", file.read(8))
    data = file.read(length) if length < 1 << 24 else b""
    if len(data) != length:
        raise NotGGUF("it is cut short or damaged")
    return data.decode("utf-8", "replace")
