"""Files that are there whole or not at all, whatever happens while they are written."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO


@contextmanager
def written_whole(path: Path, encoding: str = "ascii") -> Iterator[TextIO]:
    """Text, which takes the place of `path` at the end; an OSError leaves what was there before."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("w", encoding=encoding, newline="") as file:
            yield file
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
