"""Our own hostile, broken and right solutions; one module for each kind, one `ENTRIES` in each."""

from __future__ import annotations

from . import (  # what is right, and what is merely wrong  # what is hostile
    arrivals,
    between,
    broken,
    containment,
    correct,
    crossing,
    exhaustion,
    exits,
    files,
    imports,
    kernel,
    library,
    lies,
    patching,
    peeking,
    processes,
    texts,
    values,
)
from .entry import Entry

MODULES = (
    *(correct, library, arrivals, broken, lies, values, texts, peeking, files),
    *(patching, imports, exits, crossing, between, exhaustion, processes, containment, kernel),
)
ENTRIES: tuple[Entry, ...] = tuple(entry for module in MODULES for entry in module.ENTRIES)
