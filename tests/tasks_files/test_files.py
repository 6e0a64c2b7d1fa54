"""Task files: what loads, and what is said of what does not."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from pytest_llmroute.config.schema import published
from pytest_llmroute.tasks.checks import builtin_checks
from pytest_llmroute.tasks.convert import to_task
from pytest_llmroute.tasks.explain import explain
from pytest_llmroute.tasks.files import load_tasks, read_task_file, recognises
from pytest_llmroute.tasks.unit_tests import Program, UnitTests
from pytest_llmroute.tasks.values import Known, Refused, TaskFileErrors

GOOD = {"id": "a", "prompt": "p", "check": {"exact": "x"}}


def write(tmp_path: Path, text: str | bytes, name: str = "t.llm.yaml") -> Path:
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass"))
    return path


def errors(tmp_path: Path, text: str | bytes, name: str = "t.llm.yaml") -> str:
    with pytest.raises(TaskFileErrors) as caught:
        load_tasks(write(tmp_path, text, name), known=Known(tasks=("fix", "analyze")))
    return str(caught.value)


FULL = """\
defaults: {task: fix, tags: [c]}
tasks:
  - id: "all of it"
    messages: [{role: system, content: be short}, {role: user, content: "fix: int x"}]
    phase: planning
    agent: FixerAgent
    user: ann
    tags: [slow]
    weight: 2.5
    must_pass: true
    timeout: 10
    repeat: 3
    temperature: 0.2
    max_tokens: 100
    check: {all: [{contains: x}, {not: {contains: sorry}}]}
    scripted: {by_model: {small: [one, {fail: timeout}], "*": {text: x, latency: 0.1, tokens: {prompt: 3}}}}
  - {id: second, prompt: p, check: {exact: x}}
"""


def test_every_field_arrives(tmp_path: Path) -> None:
    first, second = load_tasks(write(tmp_path, FULL))
    assert [message.role for message in first.messages] == ["system", "user"]
    assert (first.task, first.phase, first.agent, first.user) == ("fix", "planning", "FixerAgent", "ann")
    assert (first.tags, first.weight, first.must_pass, first.timeout) == (("slow",), 2.5, True, 10.0)
    assert (first.repeat, first.sampling.temperature, first.sampling.max_tokens) == (3, 0.2, 100)
    assert (first.line, second.line, second.tags) == (3, 17, ("c",))
    assert first.check_hash != second.check_hash


def test_yaml_json_and_json_lines_mean_the_same(tmp_path: Path) -> None:
    tasks = [{**GOOD, "id": name} for name in ("a", "b")]
    found = [
        load_tasks(write(tmp_path, json.dumps({"tasks": tasks}), "t.llm.json")),
        load_tasks(write(tmp_path, json.dumps(tasks, indent=2), "u.llm.json")),
        load_tasks(write(tmp_path, "\n".join(map(json.dumps, tasks)) + "\n\n", "t.llm.jsonl")),
        load_tasks(write(tmp_path, json.dumps(tasks))),
        load_tasks(write(tmp_path, "\ufefftasks:\n" + "".join(f"  - {json.dumps(task)}\n" for task in tasks))),
    ]
    assert [[(t.id, t.messages, t.check) for t in tasks] for tasks in found] == 5 * [
        [(t.id, t.messages, t.check) for t in found[0]]
    ]


CASES: list[tuple[str, str]] = [
    ("", "t.llm.yaml:1: the file is empty"),
    ("tasks: []", "the file holds no task"),
    ("tasks: 3", "needs `tasks:` with a list"),
    ("just text", "a task file holds `tasks: [...]`"),
    ("taks: []", 'unknown key "taks" at the top'),
    ("tasks: []\ntasks: []", "a key stands twice at the top"),
    ("tasks:\n  - [", "t.llm.yaml:3: no YAML"),
    ("tasks:\n\t- a", "t.llm.yaml:2: no YAML"),
    ("tasks:\n  - !!python/object:os.system x", "the tag tag:yaml.org,2002:python/object:os.system is not used"),
    ("tasks:\n  - hello", 't.llm.yaml:2: must be a mapping, not "hello"'),
    ("tasks:\n  - {id: a, id: b, prompt: p, check: {exact: x}}", 't.llm.yaml:2: the key "id" stands twice'),
    ("tasks:\n  - {<<: {id: a}, prompt: p}", "`<<` is not used in task files"),
    ("tasks:\n  - {prompt: p, check: {exact: x}}", "id missing"),
    ("tasks:\n  - {id: 1, prompt: p, check: {exact: x}}", 'id: must be a text, not 1; put it in quotes: "1"'),
    ("tasks:\n  - {id: no, prompt: p, check: {exact: x}}", "id: must be a text, not false; put it in quotes"),
    ("tasks:\n  - {id: 'a::b', prompt: p, check: {exact: x}}", "an id is a short text of one line without ::"),
    ("tasks:\n  - {id: 'a[0]', prompt: p, check: {exact: x}}", "an id is a short text"),
    ("tasks:\n  - {id: ' a', prompt: p, check: {exact: x}}", "an id is a short text"),
    ('tasks:\n  - {id: "a\\u202e", prompt: p, check: {exact: x}}', "holds characters that do not show"),
    (f"tasks:\n  - {{id: {'a' * 121}, prompt: p, check: {{exact: x}}}}", "an id is a short text"),
    ("tasks:\n  - {id: a, check: {exact: x}}", "exactly one of prompt and messages"),
    ("tasks:\n  - {id: a, prompt: p, messages: [], check: {exact: x}}", "exactly one of prompt and messages"),
    ("tasks:\n  - {id: a, prompt: '', check: {exact: x}}", "prompt:"),
    ("tasks:\n  - {id: a, messages: [{role: robot, content: x}], check: {exact: x}}", '"robot" is not one of system'),
    ("tasks:\n  - {id: a, messages: [{role: user}], check: {exact: x}}", "messages[0]: content missing"),
    ("tasks:\n  - {id: a, prompt: p}", "check missing"),
    ("tasks:\n  - {id: a, prompt: p, chekc: {exact: x}}", 'unknown key "chekc" (did you mean "check"?)'),
    ("tasks:\n  - {id: a, prompt: p, check: x}", 'check: must be a mapping, not "x"'),
    ("tasks:\n  - {id: a, prompt: p, check: {}}", "one check a mapping; several go into all"),
    ("tasks:\n  - {id: a, prompt: p, check: {exact: x, contains: y}}", "one check a mapping; several go into all"),
    (
        "tasks:\n  - {id: a, prompt: p, check: {exactt: x}}",
        'check.exactt: unknown key "exactt" (did you mean "exact"?)',
    ),
    ("tasks:\n  - {id: a, prompt: p, check: {exact: [1]}}", "exact takes a text, a list of allowed texts"),
    ("tasks:\n  - {id: a, prompt: p, check: {all: []}}", "check.all: an empty list won't do"),
    (
        "tasks:\n  - {id: a, prompt: p, check: {all: [{regex: '('}]}}",
        "check.all[0].regex: /(/ is no regular expression",
    ),
    ("tasks:\n  - {id: a, prompt: p, check: {regex: {pattern: x, flags: q}}}", "regex takes a pattern"),
    ("tasks:\n  - {id: a, prompt: p, check: {numeric: many}}", "numeric takes a number"),
    ("tasks:\n  - {id: a, prompt: p, check: {numeric: {value: 1, abs: -1}}}", "numeric takes a number"),
    ("tasks:\n  - {id: a, prompt: p, check: {python: 'not a name'}}", "python takes a function's dotted name"),
    ("tasks:\n  - {id: a, prompt: p, check: {json_schema: {type: strin}}}", "check.json_schema: is no JSON Schema"),
    ("tasks:\n  - {id: a, prompt: p, check: {exact: x}, task: fxi}", 'task: no task "fxi" (did you mean "fix"?)'),
    ("tasks:\n  - {id: a, prompt: p, check: {exact: x}, weight: 0}", "weight: 0 won't do: a number above 0"),
    ("tasks:\n  - {id: a, prompt: p, check: {exact: x}, weight: .inf}", "t.llm.yaml:2:"),
    (
        "tasks:\n  - {id: a, prompt: p, check: {exact: x}, repeat: 0}",
        "repeat: 0 won't do: a whole number from 1 to 1000",
    ),
    ("tasks:\n  - {id: a, prompt: p, check: {exact: x}, repeat: true}", "repeat: must be a whole number, not true"),
    ("tasks:\n  - {id: a, prompt: p, check: {exact: x}, min_pass: 2}", "min_pass: 2 needs `repeat:`"),
    ("tasks:\n  - {id: a, prompt: p, check: {exact: x}, repeat: 2, min_pass: 1, must_pass: true}", "choose one"),
    (
        "tasks:\n  - {id: a, prompt: p, check: {exact: x}, must_pass: 'yes'}",
        'must_pass: must be true or false, not "yes"',
    ),
    ("tasks:\n  - {id: a, prompt: p, check: {exact: x}, tags: [a b]}", "tags[0]:"),
    ("tasks:\n  - {id: a, prompt: p, check: {exact: x}, tags: c}", 'tags: must be a list, not "c"'),
    (
        "tasks:\n  - {id: a, prompt: p, check: {exact: x}, temperature: 3}",
        "temperature: 3 won't do: a number from 0 to 2",
    ),
    ("tasks:\n  - {id: a, prompt: p, check: {exact: x}, scripted: {fail: nope}}", "scripted takes a text"),
    ("tasks:\n  - {id: a, prompt: p, check: {exact: x}, timeout: -1}", "timeout: -1 won't do: seconds, above 0"),
    ("defaults: {id: a}\ntasks:\n  - {id: b, prompt: p, check: {exact: x}}", 'defaults.id: unknown key "id"'),
    (
        "tasks:\n  - {id: a, prompt: p, check: {exact: x}}\n  - {id: a, prompt: p, check: {exact: x}}",
        "stands in line 2",
    ),
    ("a: &a [x, x]\ntasks: [*a, *a]", "unknown key"),
    (
        "tasks:\n  - {id: a, prompt: p, check: {unit_tests: {timeout: 3}}}",
        "unit_tests takes {tests, setup, challenge, cases, names, timeout} with tests, cases or both",
    ),
    ("tasks:\n  - {id: a, prompt: p, check: {unit_tests: {test: [x]}}}", 'unknown key "test" (did you mean "tests"?)'),
    (
        "tasks:\n  - {id: a, prompt: p, check: {unit_tests: {tests: []}}}",
        "check.unit_tests.tests: an empty list won't do",
    ),
    ("tasks:\n  - {id: a, prompt: p, check: {unit_tests: {tests: f(1)}}}", 'must be a list, not "f(1)"'),
    ("tasks:\n  - {id: a, prompt: p, check: {unit_tests: {cases: [{stdin: x}]}}}", "cases[0]: stdout missing"),
    ("tasks:\n  - {id: a, prompt: p, check: {unit_tests: {cases: [{stdout: 4}]}}}", 'put it in quotes: "4"'),
    (
        "tasks:\n  - {id: a, prompt: p, check: {unit_tests: {tests: [f()], timeout: 0}}}",
        "timeout: 0 won't do: seconds of CPU for one execution",
    ),
    (
        "tasks:\n  - {id: a, prompt: p, check: {unit_tests: {tests: [f()], names: [a b]}}}",
        'names[0]: "a b" won\'t do: the name of a function or class',
    ),
    (
        "tasks:\n  - id: a\n    prompt: p\n    check:\n      unit_tests:\n        tests:\n          - assert f() == 1\n"
        "          - assert f( == 1",
        "t.llm.yaml:8: check.unit_tests.tests[1]: is no Python: ",
    ),
    (
        "tasks:\n  - id: a\n    prompt: p\n    check:\n      unit_tests:\n        tests: [f()]\n        setup: |\n"
        '          x = 1\n          y = = 2\n        challenge: ["1"]',
        "t.llm.yaml:7: check.unit_tests.setup: is no Python: invalid syntax in line 2 of it",
    ),
    (
        "tasks:\n  - {id: a, prompt: p, check: {unit_tests: {tests: ['assert f()', 'f(1) == 2']}}}",
        'tests[1]: "f(1) == 2" asserts nothing: it would always hold',
    ),
    (
        "tasks:\n  - {id: a, prompt: p, check: {unit_tests: {challenge: ['# nothing'], tests: [f()]}}}",
        "challenge[0]: ",
    ),
    (
        "tasks:\n  - {id: a, prompt: p, check: {unit_tests: {setup: x = 1, cases: [{stdout: x}]}}}",
        "check.unit_tests.setup: runs before tests, and there are none",
    ),
    (
        "tasks:\n  - {id: a, prompt: p, check: {unit_tests: {tests: [f()]}}, reference: 'def f('}",
        "reference: is no Python: '(' was never closed",
    ),
    (
        "tasks:\n  - {id: a, prompt: p, check: {exact: x}, reference: x = 1}",
        "reference: nothing runs it: the check holds no unit_tests",
    ),
    (
        "defaults: {reference: x = 1}\ntasks:\n  - {id: a, prompt: p, check: {exact: x}}",
        'defaults.reference: unknown key "reference"',
    ),
]


@pytest.mark.parametrize(("text", "message"), CASES)
def test_a_mistake_is_said_with_its_place(tmp_path: Path, text: str, message: str) -> None:
    assert message in errors(tmp_path, text)


def test_all_mistakes_of_a_check_are_told_at_once(tmp_path: Path) -> None:
    text = """\
tasks:
  - id: a
    prompt: p
    check:
      all:
        - regex: "(("
        - unit_tests:
            tests: ["assert f(", "f() == 1"]
            setup: "x ="
            challenge: ["assert g("]
    reference: "def f("
"""
    told = errors(tmp_path, text)
    assert [line.partition(": ")[2].partition(":")[0] for line in told.splitlines()] == [
        "check.all[0].regex",
        "check.all[1].unit_tests.tests[0]",
        "check.all[1].unit_tests.tests[1]",
        "check.all[1].unit_tests.setup",
        "check.all[1].unit_tests.challenge[0]",
    ]


def test_a_reference_and_all_keys_of_unit_tests_arrive(tmp_path: Path) -> None:
    check = {
        "tests": ["assert f(1) == g"],
        "setup": "g = 1",
        "challenge": ["assert f(2) == 2"],
        "cases": [{"stdin": "1", "stdout": "2"}, {"stdout": "3"}],
        "timeout": 2,
    }
    tasks = [
        {**GOOD, "check": {"unit_tests": check}, "reference": "def f(x): return x"},
        {**GOOD, "id": "b", "check": {"unit_tests": {**check, "names": ["other"]}}},
    ]
    first, second = load_tasks(write(tmp_path, json.dumps(tasks), "t.llm.json"))
    assert first.check == UnitTests(
        ("assert f(1) == g",), (Program("1", "2"), Program("", "3")), "g = 1", ("assert f(2) == 2",), ("f",), 2.0
    )
    assert (first.reference, second.reference) == ("def f(x): return x", None)
    assert isinstance(second.check, UnitTests)
    assert second.check.names == ("other",)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("t.llm.json", "[{]", "t.llm.json:1: no JSON"),
        ("t.llm.json", '{"tasks": [\n{"id": NaN}]}', "NaN is no number in JSON"),
        ("t.llm.json", '[\n{"id": 1, "id": 2}]', 'the key "id" stands twice'),
        ("t.llm.json", '[{"id": "a"}] x', "no JSON: Extra data"),
        ("t.llm.json", "[" * 100_000, "nested too deeply"),
        ("t.llm.json", '[\n\n{"id": "a", "prompt": "p", "chekc": 1}]', 't.llm.json:3: chekc: unknown key "chekc"'),
        ("t.llm.json", '{"tasks": [\n{"id": "a"},\n{"id": "b"}]}', "t.llm.json:3: "),
        ("t.llm.json", '[{"id": "a", "prompt": "\\ud800", "check": {"exact": "x"}}]', "half a character"),
        ("t.llm.jsonl", json.dumps(GOOD) + "\n{oops}\n", "t.llm.jsonl:2: this line is no JSON"),
        ("t.llm.jsonl", json.dumps(GOOD) + "\n3\n", "t.llm.jsonl:2: must be a mapping, not 3"),
        ("t.llm.yaml", b"tasks:\n  - {id: \xff}", "t.llm.yaml:2: not UTF-8 (byte 0xff)"),
    ],
)
def test_json_and_bytes_have_their_mistakes_too(tmp_path: Path, name: str, text: str | bytes, message: str) -> None:
    assert message in errors(tmp_path, text, name)


def test_a_missing_file_and_a_folder_are_said(tmp_path: Path) -> None:
    assert "can't be read" in str(read_task_file(tmp_path / "no.llm.yaml").errors[0])
    assert "can't be read" in str(read_task_file(tmp_path).errors[0])


@pytest.mark.slow
def test_a_small_file_that_stands_for_a_huge_one_is_refused_in_time(tmp_path: Path) -> None:
    lines = ["a: &a0 [x,x,x,x,x,x,x,x,x]"] + [f"b{n}: &a{n} [{','.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
    bomb = "tasks:\n  - id: a\n    prompt: p\n    check:\n      all:\n" + "".join(
        f"        - {line}\n" for line in lines
    )
    started = time.process_time()
    assert "too much nested or repeated data" in errors(tmp_path, bomb)
    assert time.process_time() - started < 30


def test_files_without_the_suffix_are_recognised_by_their_beginning(tmp_path: Path) -> None:
    assert recognises(write(tmp_path, "tasks:\n  - {}", "a.yaml"))
    assert recognises(write(tmp_path, json.dumps({"tasks": [GOOD]}), "a.json"))
    assert recognises(write(tmp_path, json.dumps(GOOD) + "\n" + "x" * 100_000, "a.jsonl"))
    for name, text in (("b.yaml", "on: push"), ("b.json", '{"a": 1}'), ("b.jsonl", '{"id": 1}'), ("c.jsonl", "x")):
        assert not recognises(write(tmp_path, text, name))
    assert not recognises(tmp_path / "missing.json")


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    data=st.binary(max_size=200) | st.text(max_size=200).map(lambda t: t.encode("utf-8", "surrogatepass")),
    suffix=st.sampled_from([".yaml", ".json", ".jsonl"]),
)
def test_whatever_a_file_holds_there_is_no_traceback(tmp_path: Path, data: bytes, suffix: str) -> None:
    found = read_task_file(write(tmp_path, data, f"t.llm{suffix}"))
    assert found.tasks or found.errors


LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-2, 1001)
    | st.floats(allow_nan=False)
    | st.text(max_size=5)
    | st.sampled_from(["user", "timeout", "first", "a.b", "(", "i", 1, 2.0])
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from(["text", "value", "exact", "role", "content", "by_model", "fail", "abs", "pattern", "x"]),
            inner,
            max_size=2,
        )
    ),
    max_leaves=4,
)
TESTS = st.just(["f()"]) | VALUES
UNIT_TESTS = VALUES | st.fixed_dictionaries(
    {},
    optional={
        "tests": TESTS,
        "challenge": TESTS,
        "setup": st.just("x = 1") | VALUES,
        "cases": st.lists(
            st.fixed_dictionaries({}, optional={"stdin": VALUES, "stdout": st.just("x") | VALUES, "more": VALUES}),
            max_size=2,
        )
        | VALUES,
        "names": st.lists(st.sampled_from(["f", "_g1", "1f", "a b", "é", ""]), max_size=2) | VALUES,
        "timeout": st.sampled_from([0, 0.5, 3600, 3601]) | VALUES,
        "more": VALUES,
    },
)
PARTS: dict[str, st.SearchStrategy[Any]] = {
    "id": st.sampled_from(["a", "b c", "", " x", "a::b", "a]"]) | VALUES,
    "prompt": st.sampled_from(["p", ""]) | VALUES,
    "messages": st.just([{"role": "user", "content": "x"}]) | VALUES,
    "check": st.sampled_from(
        [
            {"exact": "x"},
            {"all": [{"contains": ["a"]}]},
            {"numeric": {"value": 1}},
            {"regex": {"pattern": "x", "flags": "im"}},
            {"not": {"python": "a:b"}},
            {"unit_tests": {"tests": ["f()"], "cases": [{"stdout": "x"}]}},
        ]
    )
    | VALUES
    | st.dictionaries(st.sampled_from(["exact", "contains", "regex", "numeric", "python", "any"]), VALUES, max_size=2)
    | st.fixed_dictionaries({"unit_tests": UNIT_TESTS}),
    "reference": st.just("x = 1") | VALUES,
    "scripted": st.sampled_from(["x", ["x"], {"text": "x", "tokens": {"prompt": 1}}, {"by_model": {"*": "x"}}])
    | VALUES,
    "tags": st.just(["a"]) | VALUES,
    "parts": st.dictionaries(st.sampled_from(["text", "a b", "a\n", ""]), st.just(["x", "y"]) | VALUES) | VALUES,
    **dict.fromkeys(("task", "weight", "must_pass", "timeout", "repeat", "temperature", "max_tokens", "extra"), VALUES),
}
TASKS = st.sampled_from(list(PARTS)).flatmap(
    lambda key: PARTS[key].map(lambda value: {**GOOD, key: value})
) | st.fixed_dictionaries({}, optional=PARTS)


@settings(max_examples=300, deadline=None)
@given(TASKS)
@example({**GOOD, "scripted": {"fail": []}})
def test_the_quick_way_and_the_published_schema_agree(task: dict[str, Any]) -> None:
    """What the converter refuses the schema refuses, and the other way round."""
    types = builtin_checks()
    try:
        to_task(task, types, Known(), "t", 1)
        accepted = True
    except Refused:
        accepted = False
    assert accepted is (explain(task, types) == [])


def test_a_part_has_no_name_that_a_call_fills_in(tmp_path: Path) -> None:
    text = "tasks: [{id: a, prompt: p, parts: {text: t, hint: h}, check: {exact: x}}]"
    with pytest.raises(TaskFileErrors, match=r"parts\.hint: \{hint\} is what a call fills in itself"):
        load_tasks(write(tmp_path, text))


def test_the_schema_is_one_and_takes_documents_as_editors_see_them() -> None:
    jsonschema.Draft202012Validator.check_schema(published("tasks"))
    validator = jsonschema.Draft202012Validator(published("tasks"))
    assert validator.is_valid({"defaults": {"check": {"exact": "x"}}, "tasks": [{"id": "a", "prompt": "p"}]})
    assert validator.is_valid([GOOD])
    assert not validator.is_valid({"tasks": [{**GOOD, "chekc": 1}]})
    for path in (Path(__file__).parents[2] / "tasks").glob("*.llm.yaml"):
        assert load_tasks(path)
