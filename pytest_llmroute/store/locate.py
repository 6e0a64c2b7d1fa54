"""From a store's URL to the store."""

from __future__ import annotations

from pathlib import Path

from pytest_llmroute.codes import Code
from pytest_llmroute.errors import UserError, nearest, printable

SCHEMES = ("sqlite",)


def store_path(url: str, root: Path, where: str = "--llm-store") -> Path:
    """The file behind `sqlite:///relative.db` (from rootdir) or `sqlite:////absolute.db`."""
    scheme, separator, rest = url.partition("://")
    if not separator or scheme not in SCHEMES:
        near = nearest(scheme, SCHEMES) if separator else None
        raise UserError(
            f'{where}: "{printable(url.rpartition("@")[2], 100)}" is no address of a store'
            + (f' (did you mean "{near}"?)' if near else ""),
            code=Code.OPTION,
            means="this version keeps runs in SQLite files",
            fix="sqlite:///.llmroute/results.db, or sqlite:////an/absolute/path.db",
        )
    if not rest.startswith("/") or not rest.strip("/") or rest.endswith("/") or "\0" in rest:
        raise UserError(
            f'{where}: "{printable(url, 100)}" names no file',
            code=Code.OPTION,
            fix="three slashes and a path from rootdir, or four and an absolute one: sqlite:///.llmroute/results.db",
        )
    return root / rest[1:]
