"""Parquet, the form in which the hub keeps data sets: recognised without any package, read with pyarrow."""

from __future__ import annotations

from collections.abc import Collection
from importlib.util import find_spec
from pathlib import Path

from pytest_llmroute.tasks.source import Broken, Document, Raw

MAGIC = b"PAR1"
LARGEST_FOOTER = 1 << 24


def mentions(path: Path, columns: Collection[str]) -> bool:
    """Whether the footer names these columns: they stand there as plain text."""
    try:
        with path.open("rb") as file:
            file.seek(-8, 2)
            end = file.read()
            length = int.from_bytes(end[:4], "little")
            if end[4:] != MAGIC or length > LARGEST_FOOTER:
                return False
            file.seek(-8 - length, 2)
            footer = file.read(length)
    except OSError:
        return False
    return all(column.encode() in footer for column in columns)


def read_parquet(path: Path) -> Document:
    """Its rows; a row's number stands for its line."""
    try:
        from pyarrow.parquet import ParquetFile
    except ImportError:
        raise Broken(1, "parquet is read with pyarrow: pip install pyarrow") from None
    try:
        rows = ParquetFile(path).read().to_pylist()
    except (OSError, ValueError) as error:  # pyarrow's own errors are both
        raise Broken(1, f"no parquet: {error}") from None
    return Document(None, tuple(_row(value, number) for number, value in enumerate(rows, start=1)))


def can_be_read() -> bool:
    return find_spec("pyarrow") is not None


def _row(value: object, number: int) -> Raw:
    return Raw(value, number, lambda at: number)
