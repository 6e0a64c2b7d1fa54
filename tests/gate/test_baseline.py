"""The baseline file: what is written is read back, is fit for review, and is never half believed."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_llmroute.config.schema import published
from pytest_llmroute.errors import ErrorList, UserError
from pytest_llmroute.gate.baseline import (
    BaselineError,
    parse_baseline,
    read_baseline,
    renamed,
    text_of,
    unfit,
    write_baseline,
    written,
)
from pytest_llmroute.gate.figures import CaseFigures, RunFigures, RunHead
from pytest_llmroute.gate.result import GateSettings
from tests.gate.made import one, run, some

NAMES = st.text(st.characters(codec=None), min_size=1, max_size=12)
TEXTS = st.text(st.characters(codec=None), max_size=8)
NUMBERS = st.none() | st.integers(0, 10**6) | st.floats(0, 1e12).map(lambda value: float(f"{value:.6g}"))


@st.composite
def cases(draw: st.DrawFn) -> dict[str, CaseFigures]:
    """As a file has them: outcomes in order, and no figures of more digits than it keeps."""
    found = {}
    for name in draw(st.lists(NAMES, unique=True, min_size=1, max_size=4)):
        passes, misses = draw(st.integers(0, 4)), draw(st.integers(0, 4))
        tries = passes + misses or 1
        texts = {key: draw(TEXTS) for key in ("check", "reason", "prompt", "template", "settings", "policy")}
        numbers = {key: draw(NUMBERS) for key in ("seconds", "tokens", "ram", "server_ram", "usd")}
        models = tuple(draw(st.lists(NAMES, max_size=2)))
        outcomes = (1,) * passes + (0,) * (tries - passes)
        found[name] = CaseFigures(name, outcomes, made=tries, models=models, **texts, **numbers)  # type: ignore[arg-type]
    return found


HEADS = st.builds(
    RunHead, TEXTS, st.text("0123456789.abdev", min_size=1), TEXTS, TEXTS, TEXTS,
    st.lists(NAMES, max_size=3).map(tuple), TEXTS, st.dictionaries(NAMES, st.none() | st.integers(0, 9) | TEXTS),
)  # fmt: skip
KINDS = st.sampled_from(["strategy", "model"])


@st.composite
def runs(draw: st.DrawFn) -> RunFigures:
    columns = draw(st.dictionaries(NAMES, cases(), max_size=3))
    return RunFigures(
        draw(HEADS), columns, {name: draw(KINDS) for name in columns}, draw(st.dictionaries(NAMES, TEXTS, max_size=2))
    )


@given(runs())
def test_what_is_written_is_read_back(figures: RunFigures) -> None:
    text = text_of(figures)
    jsonschema.validate(json.loads(text), published("baseline"))
    assert parse_baseline(text) == figures
    assert text_of(parse_baseline(text)) == text


@given(runs())
def test_the_file_is_fit_for_review(figures: RunFigures) -> None:
    """ASCII, one case a line, all in order: a change of one case is a change of one line."""
    text = text_of(figures)
    assert text.isascii()
    assert text.endswith("\n ]\n}\n")
    data = json.loads(text)
    assert list(data)[:-1] == sorted(data.keys() - {"cases"})
    lines = [json.loads(line.strip().rstrip(",")) for line in text.splitlines() if line.startswith('  {"case"')]
    assert lines == data["cases"]
    assert [(line["column"], line["case"]) for line in lines] == sorted((c["column"], c["case"]) for c in lines)
    assert all(list(line) == sorted(line) for line in lines)


def test_a_line_as_it_is() -> None:
    figures = run(
        some({"t.py::a": [1, 0, 1]}, models=("gemma2:2b",), seconds=1 / 3, prompt_tokens=90, completion_tokens=10,
             reason="fast: fix → small", prompt="ab12")
    )  # fmt: skip
    assert text_of(figures).splitlines()[-3] == (
        '  {"case": "t.py::a", "column": "fast", "models": ["gemma2:2b"], "passes": 2, "prompt": "ab12",'
        ' "reason": "fast: fix \\u2192 small", "seconds": 0.333333, "tokens": 100, "tries": 3}'
    )


def test_cases_without_an_outcome_are_left_out() -> None:
    figures = run([one("a"), one("b", None, cause="timeout")])
    assert [line["case"] for line in json.loads(text_of(figures))["cases"]] == ["a"]
    assert written("b.json", figures) == "baseline b.json written: 1 case, columns: fast"


def test_it_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "b.json"
    write_baseline(path, run([one("a")]))
    before = path.read_text()
    with pytest.raises(BaselineError, match=r"the baseline b.json can't be written: .*directory"):
        write_baseline(tmp_path / "no" / "b.json", run([one("b")]))
    assert (path.read_text(), [entry.name for entry in tmp_path.iterdir()]) == (before, ["b.json"])


def broken(change: Callable[[dict[str, Any]], object]) -> list[str]:
    """What is said of a file after `change`, a line a mistake."""
    data = json.loads(text_of(run([one("a"), one("b"), one("c", column="slow")])))
    change(data)
    with pytest.raises(UserError) as raised:
        parse_baseline(json.dumps(data), "base.json")
    errors = raised.value.errors if isinstance(raised.value, ErrorList) else (raised.value,)
    assert {error.code and error.code.number for error in errors} == {"LLR206"}
    return [error.what for error in errors]


def test_every_mistake_is_told_at_once_with_file_case_and_value() -> None:
    def spoil(data: dict[str, Any]) -> None:
        data["cases"][0]["passes"] = "many"
        data["cases"][1]["tries"] = 0
        data["cases"][2]["pases"] = 1
        data["columns"]["fast"] = "car"
        del data["machine"]

    assert broken(spoil) == [
        "base.json: machine missing",
        'base.json: case 1: passes: must be a whole number, not "many"',
        "base.json: case 2: tries: 0 won't do: tries that gave an outcome; repeats at temperature 0 are one",
        'base.json: case 3: pases: unknown key "pases" (did you mean "passes"?); allowed: case, column, passes, tries,'
        " models, reason, check, prompt, template, settings, policy, seconds, tokens, ram, server_ram, usd",
        'base.json: columns: fast: "car" is not one of strategy, model',
    ]


def test_what_contradicts_itself_is_told_too() -> None:
    def spoil(data: dict[str, Any]) -> None:
        data["cases"].append(dict(data["cases"][0]))
        data["cases"][1] |= {"passes": 3, "tries": 2}

    assert broken(spoil) == ["base.json: fast: b has 3 passes of 2 tries", "base.json: fast: a stands there twice"]


@pytest.mark.parametrize(
    ("text", "said", "means", "fix"),
    [
        ("", "the baseline base.json is no JSON: Expecting value", "", "baseline save"),
        ('{\n<<<<<<< HEAD\n "run": "a",\n=======', "is no JSON: Expecting", "a merge may have left its marks", "save"),
        ("[]", "base.json: must be a mapping, not an empty list", "", "baseline save"),
        ('{"schema": 2}', "written by a newer version (schema 2, this one knows 1)", "", "pip install --upgrade"),
        ('{"schema": true}', "missing", "", "baseline save"),
    ],
    ids=["empty", "marks", "list", "newer", "no number"],
)
def test_what_is_no_baseline_is_refused_with_what_to_do(text: str, said: str, means: str, fix: str) -> None:
    with pytest.raises(UserError) as raised:
        parse_baseline(text, "base.json")
    error = raised.value.errors[0] if isinstance(raised.value, ErrorList) else raised.value
    assert said in raised.value.text()
    assert means in error.means
    assert fix in error.fix


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    (tmp_path / "b.json").write_bytes(b"\xff\xfe")
    with pytest.raises(BaselineError, match=r"the baseline b.json can't be read"):
        read_baseline(tmp_path / "b.json")


@given(
    st.text(max_size=200)
    | st.builds(
        json.dumps,
        st.recursive(st.none() | st.integers() | TEXTS, lambda inner: st.lists(inner) | st.dictionaries(TEXTS, inner)),
    )
)
def test_nothing_but_a_baseline_is_believed(text: str) -> None:
    with pytest.raises(UserError):
        parse_baseline(text)


@pytest.mark.parametrize(
    ("tries", "head", "why"),
    [
        (some({"a": [1]}), {}, ""),
        ([], {}, "no case gave an outcome"),
        ([one("a", None, cause="refused")], {}, "no case gave an outcome"),
        (some({"a": [1]}), {"selection": "-k fix"}, "the run is a part of the suite (-k fix)"),
        (
            some({"a": [1]}),
            {"settings": {"repeat": "adaptive"}},
            "its repeats were adaptive: few, and as many as its results asked for",
        ),
        (some({"a": [1] * 8 + [None, None]}, cause="timeout"), {}, "2 of 10 tries were lost to infrastructure"),
        (some({"a": [1] * 9 + [None]}, cause="timeout"), {}, ""),
        # A test that is skipped here is skipped there: no reason to have no baseline.
        ([*some({"a": [1]}), one("b", None, cause="skipped"), one("c", None, cause="skipped")], {}, ""),
    ],
)
def test_which_runs_are_nobodys_baseline(tries: list[Any], head: dict[str, Any], why: str) -> None:
    assert unfit(run(tries, **head), GateSettings()) == why


CASES = ["t/a.py::one", "t/a.py::one[x=1]", "t/a.py::one @fix", "t/a.py::oneself", "t/b.yaml::one"]


@pytest.mark.parametrize(
    ("old", "new", "names"),
    [
        ("t/a.py::one", "t/a.py::two", ["t/a.py::two", "t/a.py::two[x=1]", "t/a.py::two @fix", *CASES[3:]]),
        ("t/a.py", "t/c.py", [name.replace("a.py", "c.py") for name in CASES]),
        ("t/", "suite/t/", [f"suite/{name}" for name in CASES]),
        ("t/b.yaml::one", "t/b.yaml::two", [*CASES[:4], "t/b.yaml::two"]),
        ("t/a.py::on", "x", CASES),
        ("a.py", "b.py", CASES),
    ],
)
def test_a_case_a_file_or_a_folder_is_renamed(old: str, new: str, names: list[str]) -> None:
    figures = run([one(name) for name in CASES])
    changed, count = renamed(figures, old, new)
    assert sorted(changed.columns["fast"]) == sorted(names)
    assert all(found.case == name for name, found in changed.columns["fast"].items())
    assert count == sum(before != after for before, after in zip(CASES, names, strict=True))


@pytest.mark.parametrize(
    ("old", "new", "paths"),
    [
        ("t/a.py", "t/c.py", ("t/c.py", "u")), ("t", "s", ("s/a.py", "u")), ("u/", "v/", ("t/a.py", "v")),
        ("t/a.py::one", "t/a.py::two", ("t/a.py", "u")), ("u/", "", ("t/a.py", ".")),
    ],
)  # fmt: skip
def test_what_the_baseline_collected_is_renamed_with_it(old: str, new: str, paths: tuple[str, ...]) -> None:
    """Else the run under the new name would count as a part of the suite."""
    changed, _ = renamed(run([one("t/a.py::one")], paths=("t/a.py", "u")), old, new)
    assert changed.head.paths == paths


def test_a_column_is_renamed_with_its_kind() -> None:
    figures = run([one("a"), one("a", column="micro", kind="model")])
    changed, count = renamed(figures, "micro", "nano", column=True)
    assert (list(changed.columns), dict(changed.kinds), count) == (
        ["fast", "nano"], {"fast": "strategy", "nano": "model"}, 1,
    )  # fmt: skip
    assert renamed(figures, "mikro", "nano", column=True) == (figures, 0)


def test_two_cases_of_one_name_are_fewer_cases() -> None:
    """Which the command refuses."""
    changed, count = renamed(run([one("a"), one("b")]), "a", "b")
    assert (count, len(changed.columns["fast"])) == (1, 1)


def test_rename_there_and_back_changes_nothing() -> None:
    figures = run([one(name) for name in CASES], paths=("t/a.py",))
    there, _ = renamed(figures, "t/a.py", "t/new.py")
    assert renamed(there, "t/new.py", "t/a.py")[0] == replace(figures)
