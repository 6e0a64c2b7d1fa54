"""Data sets in the user's Hugging Face cache: `hf:google-research-datasets/mbpp`, `hf:mbpp`, `hf:mbpp/sanitized`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from pytest_llmroute.codes import Code
from pytest_llmroute.config.hub import hub_cache, snapshot
from pytest_llmroute.errors import UserError, nearest, printable
from pytest_llmroute.tasks import parquet
from pytest_llmroute.tasks.files import recognises

SCHEME = "hf:"
SUFFIXES = (".jsonl", ".json", ".parquet")
_INSIDE = re.compile(r"/datasets--([^/]+)/snapshots/[^/]+/(.+)$")


def hub_files(name: str, env: Mapping[str, str]) -> list[Path]:
    """The task files of a data set that was downloaded before; `name` may go on with the beginning of a path in it."""
    cache = hub_cache(env)
    sets = {path.name.removeprefix("datasets--").replace("--", "/"): path for path in cache.glob("datasets--*")}
    repository, part = _chosen(name.removeprefix(SCHEME).strip("/"), sets, cache)
    folder = snapshot(sets[repository])
    if folder is None:
        raise _missing(f"the data set {repository} is in {cache}, but none of its snapshots is whole", repository)
    inside = sorted(path for path in folder.rglob("*") if path.suffix in SUFFIXES and recognises(path))
    found = [path for path in inside if path.relative_to(folder).as_posix().startswith(part)]
    if not found:
        names = ", ".join(path.relative_to(folder).as_posix() for path in inside)
        what = f"no task file of {repository} begins with {printable(part)}; there are {names}" if inside else (
            f"the data set {repository} holds no file of a known format")  # fmt: skip
        raise UserError(what, code=Code.DATA_SET, means=f"looked at in {folder}")
    return _readable(found)


def shown(path: Path) -> str | None:
    """A file of the cache by data set and place in it: the same on every machine; None for any other file."""
    found = _INSIDE.search(path.as_posix())
    return f"{found[1].replace('--', '/')}/{found[2]}" if found else None


def _chosen(wanted: str, sets: Mapping[str, Path], cache: Path) -> tuple[str, str]:
    """The data set that is meant, and the rest of the name: by its whole name, else without its owner's."""
    for names in ({name: name for name in sets}, {name: name.rpartition("/")[2] for name in sets}):
        fitting = {full: short for full, short in names.items() if _begins(wanted, short)}
        if len(fitting) > 1:
            raise UserError(f"{SCHEME}{printable(wanted)} could be {' or '.join(sorted(fitting))}", code=Code.DATA_SET)
        for full, short in fitting.items():
            return full, wanted[len(short) :].lstrip("/")
    near = nearest(wanted, sets)
    hint = f' (did you mean "{near}"?)' if near else ""
    name = "/".join(wanted.split("/")[:2])  # what goes on is a place in it
    raise _missing(f'no data set "{printable(wanted)}" in {cache}{hint}', name if "/" in name else f"OWNER/{name}")


def _begins(wanted: str, name: str) -> bool:
    return f"{wanted}/".casefold().startswith(f"{name}/".casefold())


def _readable(found: list[Path]) -> list[Path]:
    """Without the parquet files where there are others, or where nothing can read them."""
    plain = [path for path in found if path.suffix != ".parquet"]
    if plain or parquet.can_be_read():
        return plain or found
    raise UserError(
        f"{shown(found[0]) or found[0].name} and its like are parquet, and nothing here reads that",
        code=Code.DATA_SET,
        fix="pip install pyarrow",
        instead="a .jsonl or .json file of the same data, by its path",
    )


def _missing(what: str, name: str) -> UserError:
    return UserError(
        what,
        code=Code.DATA_SET,
        means="nothing is downloaded unasked; HF_HOME and HF_HUB_CACHE say where to look",
        fix=f"hf download {printable(name)} --repo-type dataset",
        instead="a file of the same data, by its path",
    )
