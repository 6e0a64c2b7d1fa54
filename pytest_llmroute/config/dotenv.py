"""A file of lines NAME=value, read only when asked for; the real environment stands before it."""

from __future__ import annotations

import re
from collections import ChainMap
from collections.abc import Mapping
from pathlib import Path

from pytest_llmroute.codes import Code
from pytest_llmroute.errors import UserError, one, printable

_LINE = re.compile(r"(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*)")
_QUOTED = re.compile(r"""(?P<quote>["'])(?P<text>.*)(?P=quote)\s*(?:#.*)?""")


def read_env_file(path: Path, shown: str) -> dict[str, str]:
    """All its variables; all its mistakes at once. Values never appear in a message: they may be secret."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise UserError(
            f"the env file {shown} can't be read: {error.strerror}",
            code=Code.ENV_FILE,
            fix="make the file, or take env_file out of the configuration",
        ) from None
    except UnicodeDecodeError:
        raise UserError(f"the env file {shown} is not UTF-8", code=Code.ENV_FILE) from None
    found: dict[str, str] = {}
    errors: list[UserError] = []
    for number, line in enumerate(text.splitlines(), start=1):
        stripped = line.strip()
        if not stripped or stripped.startswith("#"):
            continue
        match = _LINE.fullmatch(stripped)
        if match is None:
            name = printable(stripped.partition("=")[0], 30)
            errors.append(UserError(f"{shown}:{number}: no line NAME=value: {name}…", code=Code.ENV_FILE))
            continue
        found[match.group(1)] = _value(match.group(2))
    if errors:
        raise one(errors)
    return found


def _value(text: str) -> str:
    if quoted := _QUOTED.fullmatch(text):
        inner = quoted["text"]
        return inner.replace("\\n", "\n").replace('\\"', '"') if quoted["quote"] == '"' else inner
    return re.sub(r"\s+#.*$", "", text).strip()


def layered(env: Mapping[str, str], behind: Mapping[str, str]) -> Mapping[str, str]:
    """The live environment before the file's values."""
    return ChainMap(env, behind) if behind else env  # type: ignore[arg-type]
