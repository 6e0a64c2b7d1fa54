"""The baseline file: one case a line, keys in order, so that a change of the bar can be reviewed as any other."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from pytest_llmroute.codes import Code
from pytest_llmroute.config.schema import published
from pytest_llmroute.config.sentences import mistakes
from pytest_llmroute.core.whole import written_whole
from pytest_llmroute.errors import UserError, one, printable
from pytest_llmroute.gate.figures import CaseFigures, RunFigures, RunHead
from pytest_llmroute.gate.matching import how_many
from pytest_llmroute.gate.result import GateSettings

SCHEMA = 1
NAME = "llmroute-baseline.json"
_TEXTS = ("check", "policy", "prompt", "reason", "settings", "template")
_NUMBERS = ("ram", "seconds", "server_ram", "tokens", "usd")
DIGITS = 6


class BaselineError(UserError):
    """A baseline file that can't be read or written."""

    def __init__(self, what: str, *, means: str = "", fix: str = "", instead: str = "") -> None:
        super().__init__(what, code=Code.BASELINE, means=means, fix=fix, instead=instead)


def text_of(figures: RunFigures) -> str:
    """The file: the head first, then a line for each case that has been tried."""
    head = {
        "columns": dict(figures.kinds),
        "created": figures.head.created,
        "machine": figures.head.machine,
        "models": dict(figures.models),
        "paths": list(figures.head.paths),
        "profile": figures.head.profile,
        "run": figures.head.run_id,
        "schema": SCHEMA,
        "selection": figures.head.selection,
        "settings": dict(figures.head.settings),
        "tool": f"pytest-llmroute {figures.head.version}",
    }
    lines = [json.dumps(head, sort_keys=True, indent=1)[:-2] + ",", ' "cases": [']
    lines.append(",\n".join(_cases(figures)))
    return "\n".join(lines) + "\n ]\n}\n"


def _cases(figures: RunFigures) -> Iterator[str]:
    for column in sorted(figures.columns):
        for case in sorted(figures.columns[column]):
            found = figures.columns[column][case]
            if found.tries:
                yield "  " + json.dumps(_line(column, found), sort_keys=True)


def _line(column: str, found: CaseFigures) -> dict[str, Any]:
    """What is empty is left out."""
    line = {"case": found.case, "column": column, "models": list(found.models), "passes": found.passes,
            "tries": found.tries}  # fmt: skip
    line |= {name: getattr(found, name) for name in _TEXTS if getattr(found, name)}
    line |= {name: _rounded(value) for name in _NUMBERS if (value := getattr(found, name)) is not None}
    return line


def _rounded(value: float) -> float:
    short = float(f"{value:.{DIGITS}g}")
    return int(short) if short.is_integer() else short


def write_baseline(path: Path, figures: RunFigures) -> None:
    """Whole or not at all."""
    try:
        with written_whole(path) as file:
            file.write(text_of(figures))
    except OSError as error:
        raise BaselineError(
            f"the baseline {path.name} can't be written: {error.strerror}",
            means="nothing has changed: an older one is as it was",
            fix="make its folder, or name another place: --llm-baseline=FILE",
        ) from error


def read_baseline(path: Path) -> RunFigures:
    """Every mistake of the file at once."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BaselineError(f"the baseline {path.name} can't be read: {error}", fix=_ANEW) from error
    return parse_baseline(text, path.name)


_ANEW = "llmroute baseline save writes it anew from the last run"


def parse_baseline(text: str, name: str = NAME) -> RunFigures:
    try:
        data = json.loads(text)
    except ValueError as error:
        raise BaselineError(
            f"the baseline {name} is no JSON: {error}",
            means="a merge may have left its marks in it" if "<<<<<<<" in text else "",
            fix=_ANEW,
        ) from error
    found = data.get("schema") if isinstance(data, dict) else None
    if isinstance(found, int) and found > SCHEMA:
        raise BaselineError(
            f"the baseline {name} was written by a newer version (schema {found}, this one knows {SCHEMA})",
            fix="pip install --upgrade pytest-llmroute",
        )
    if wrong := mistakes(data, published("baseline")):
        raise one([BaselineError(f"{name}: {_place(at)}{sentence}", fix=_ANEW) for at, sentence, _ in wrong])
    return _figures(data, name)


def _place(at: tuple[str | int, ...]) -> str:
    """A case by its number in the file, counted from 1."""
    if at[:1] == ("cases",) and len(at) > 1:
        return f"case {int(at[1]) + 1}: " + "".join(f"{step}: " for step in at[2:])
    return "".join(f"{step}: " for step in at)


def _figures(data: Mapping[str, Any], name: str) -> RunFigures:
    columns: dict[str, dict[str, CaseFigures]] = {}
    wrong = []
    for line in data["cases"]:
        cases = columns.setdefault(line["column"], {})
        shown = f"{name}: {printable(line['column'], 60)}: {printable(line['case'])}"
        if line["case"] in cases:
            wrong.append(BaselineError(f"{shown} stands there twice"))
        if line["passes"] > line["tries"]:
            wrong.append(BaselineError(f"{shown} has {line['passes']} passes of {line['tries']} tries"))
        cases[line["case"]] = _case(line)
    if wrong:
        raise one(wrong)
    head = RunHead(
        run_id=data["run"],
        version=data["tool"].rpartition(" ")[2],
        created=data["created"],
        profile=data["profile"],
        machine=data["machine"],
        paths=tuple(data["paths"]),
        selection=data["selection"],
        settings=data["settings"],
    )
    return RunFigures(head, columns, data["columns"], data["models"])


def _case(line: Mapping[str, Any]) -> CaseFigures:
    passes, tries = line["passes"], line["tries"]
    rest: dict[str, Any] = {name: line.get(name, "") for name in _TEXTS} | {name: line.get(name) for name in _NUMBERS}
    return CaseFigures(
        case=line["case"],
        outcomes=(1,) * passes + (0,) * (tries - passes),
        made=tries,
        models=tuple(line["models"]),
        **rest,
    )


def unfit(figures: RunFigures, settings: GateSettings) -> str:
    """Why a run should be nobody's baseline; empty if it may."""
    cases = [case for column in figures.columns.values() for case in column.values()]
    made, lost = sum(case.made - case.skipped for case in cases), sum(case.lost - case.skipped for case in cases)
    if not any(case.tries for case in cases):
        return "no case gave an outcome"
    if figures.head.selection:
        return f"the run is a part of the suite ({figures.head.selection})"
    if figures.head.adaptive:
        return "its repeats were adaptive: few, and as many as its results asked for"
    if (replayed := sum(case.replayed for case in cases)) and not settings.allow_replayed:
        return f"{replayed} of {made} tries were replayed"
    if lost > settings.max_lost * made:
        return f"{lost} of {made} tries were lost to infrastructure"
    return ""


def written(name: str, figures: RunFigures) -> str:
    count = sum(case.tries > 0 for column in figures.columns.values() for case in column.values())
    columns = ", ".join(figures.columns)
    return f"baseline {name} written: {how_many(count)}, columns: {columns}"


def renamed(figures: RunFigures, old: str, new: str, *, column: bool = False) -> tuple[RunFigures, int]:
    """The same with another name for a column, a case, or the beginning of cases (a file, a function); and how many."""
    if column:
        columns = {new if name == old else name: cases for name, cases in figures.columns.items()}
        kinds = {new if name == old else name: kind for name, kind in figures.kinds.items()}
        return replace(figures, columns=columns, kinds=kinds), int(old in figures.columns)
    count = 0
    named: dict[str, dict[str, CaseFigures]] = {}
    for name, cases in figures.columns.items():
        named[name] = {}
        for case, found in cases.items():
            changed = _renamed(case, old, new)
            count += changed != case
            named[name][changed] = replace(found, case=changed)
    paths = tuple(_renamed(f"{path}/", old, new).rstrip("/") or "." for path in figures.head.paths)
    return replace(figures, head=replace(figures.head, paths=paths), columns=named), count


def _renamed(case: str, old: str, new: str) -> str:
    """`old` is the case, or ends where a part of its name does."""
    if case == old or (case.startswith(old) and (old.endswith("/") or case[len(old)] in "[:/ ")):
        return new + case[len(old) :]
    return case
