"""Expressions of --llm-require: what they mean, and what is said of those that mean nothing."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_llmroute.errors import UserError
from pytest_llmroute.gate.metrics import METRICS
from pytest_llmroute.gate.requirement import GRAMMAR, KEYS, Requirement, parse_requirement

PAGE = Path(__file__).parents[2] / "docs" / "requirements.md"


def plain(text: str, metric: str, op: str, amount: float, unit: str = "", k: int | None = None) -> Requirement:
    return Requirement(text, (), metric, k, op, amount, unit)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("success_rate>=0.9", plain("success_rate>=0.9", "success_rate", ">=", 0.9)),
        (" success_rate >= 90 % ", plain("success_rate>=90%", "success_rate", ">=", 0.9, "%")),
        ("success_rate>94%", plain("success_rate>94%", "success_rate", ">", 0.94, "%")),
        ("success_rate:-5pp", plain("success_rate:-5pp", "success_rate", ":", -0.05, "pp")),
        ("success_rate:2.5PP", plain("success_rate:-2.5pp", "success_rate", ":", -0.025, "pp")),
        ("pass@3>=.5", plain("pass@3>=.5", "pass@k", ">=", 0.5, k=3)),
        ("pass^10<100%", plain("pass^10<100%", "pass^k", "<", 1.0, "%", 10)),
        ("tokens<=500", plain("tokens<=500", "tokens", "<=", 500.0)),
        ("tokens:+10%", plain("tokens:+10%", "tokens", ":", 0.1, "%")),
        ("tokens:-10%", plain("tokens:-10%", "tokens", ":", -0.1, "%")),
        ("tokens: 5", plain("tokens:+5", "tokens", ":", 5.0)),
        ("prompt_tokens<100", plain("prompt_tokens<100", "prompt_tokens", "<", 100.0)),
        ("completion_tokens<100", plain("completion_tokens<100", "completion_tokens", "<", 100.0)),
        ("seconds<=2", plain("seconds<=2", "median_seconds", "<=", 2.0)),
        ("median_seconds:+200ms", plain("median_seconds:+200ms", "median_seconds", ":", 0.2, "ms")),
        ("p95_seconds<=800 ms", plain("p95_seconds<=800ms", "p95_seconds", "<=", 0.8, "ms")),
        ("total_seconds:+20%", plain("total_seconds:+20%", "total_seconds", ":", 0.2, "%")),
        ("peak_ram<=2gb", plain("peak_ram<=2GB", "peak_ram", "<=", 2e9, "GB")),
        ("peak_ram:+100KB", plain("peak_ram:+100KB", "peak_ram", ":", 1e5, "KB")),
        ("server_ram<1.5GiB", plain("server_ram<1.5GiB", "server_ram", "<", 1.5 * 2**30, "GiB")),
        ("cost<=$0.50", plain("cost<=$0.50", "cost", "<=", 0.5, "$")),
        ("cost:+ $ .01", plain("cost:+$.01", "cost", ":", 0.01, "$")),
        ("cost:+1", plain("cost:+1", "cost", ":", 1.0)),
    ],
)
def test_an_expression_is_read(text: str, expected: Requirement) -> None:
    assert parse_requirement(text) == expected
    assert expected.relative == (expected.op == ":")


@pytest.mark.parametrize(
    ("text", "filters"),
    [
        ("column=fast/tokens<1", (("column", "fast"),)),
        ("model=org/name:7b/tokens<1", (("model", "org/name:7b"),)),
        (" tag = a , tag=b,phase=fix / tokens<1", (("tag", "a"), ("tag", "b"), ("phase", "fix"))),
        ("case=x=1 y/tokens<1", (("case", "x=1 y"),)),
        ("suite=tests/a.py,agent=fixer/tokens<1", (("suite", "tests/a.py"), ("agent", "fixer"))),
        ("task=>=2/tokens<1", (("task", ">=2"),)),
    ],
)
def test_filters_stand_before_the_last_slash(text: str, filters: tuple[tuple[str, str], ...]) -> None:
    assert parse_requirement(text).filters == filters


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "it is empty"),
        ("  ", "it is empty"),
        ("succes_rate>=0.9", 'no metric "succes_rate" (did you mean "success_rate"?)'),
        ("success_rate≥0.9", 'no metric "success_rate≥0.9" (did you mean "success_rate"?)'),
        (">=0.9", "there is no metric before the comparison"),
        ("colum=fast/tokens<1", 'no filter "colum" (did you mean "column"?)'),
        ("column=/tokens<1", 'the filter "column" has no value'),
        ("/tokens<1", '"" before "/" is no filter; write KEY=VALUE'),
        ("tag=a,b/tokens<1", '"b" before "/" is no filter; write KEY=VALUE'),
        ("phase=a,phase=b/tokens<1", '"phase" stands there twice, and no try has two; write two requirements'),
        ("task=fix>=0.9", 'the filter "task" is not followed by "/" and a metric'),
        ("tokens", 'nothing is demanded of "tokens"; write >=, <=, > or <, or : for a comparison with the baseline'),
        ("tokens==5", '"==" is no comparison; write >=, <=, > or <, or : for a comparison with the baseline'),
        ("tokens<=", '"" is no number with a unit'),
        ("tokens<=many", '"many" is no number with a unit'),
        ("success_rate>=0,9", '"0,9" is no number with a unit'),
        ("tokens<=1e3", '"1e3" is no number with a unit'),
        ("tokens<=+5", "a floor or a ceiling has no sign; a comparison with the baseline is tokens:+5"),
        ("pass@x>=1", '"pass@x" needs a whole number from 1 to 9999 at its end, as pass@3'),
        ("pass^0>=1", '"pass^0" needs a whole number from 1 to 9999 at its end, as pass@3'),
        ("pass@3:-5pp", "pass@3 is not compared with a baseline; write a floor or a ceiling, as pass@3>=…"),
        ("prompt_tokens:+5%", "prompt_tokens is not compared with a baseline"),
        ("success_rate:-5%", "a change of success_rate is told in percentage points, pp: success_rate:-5pp"),
        ("success_rate:-5", "a change of success_rate is told in percentage points, pp: success_rate:-5pp"),
        ("success_rate:+5pp", "this would demand a rise; write success_rate>=… for a floor"),
        ("success_rate:-101pp", "-101pp is more than all; a share is from 0 to 1, or 0% to 100%"),
        ("success_rate>=95", "95 is more than all; a share is from 0 to 1, or 0% to 100%"),
        ("pass@1>=101%", "101% is more than all"),
        ("tokens:-100%", "-100% would demand that nothing is left"),
        ("tokens<=$5", 'tokens is not told in "$" here; allowed: a bare number'),
        ("seconds<=3h", 'seconds is not told in "h" here; allowed: a bare number, s, ms'),
        ("seconds:+2", "seconds needs a unit here; allowed: %, s, ms"),
        ("peak_ram<=2", "peak_ram needs a unit here; allowed: B, KB, MB, GB, KiB, MiB, GiB"),
        ("cost<=5%", 'cost is not told in "%" here; allowed: a bare number, $'),
    ],
)
def test_what_cannot_be_read_is_said(text: str, sentence: str) -> None:
    with pytest.raises(UserError) as raised:
        parse_requirement(text, "ini llm_require")
    assert raised.value.what.startswith(f'ini llm_require: "{text}": {sentence}')
    assert "[LLR207]" in str(raised.value)
    assert "examples: success_rate>=90%" in str(raised.value)


def test_control_characters_do_not_reach_the_terminal() -> None:
    with pytest.raises(UserError) as raised:
        parse_requirement("\x1b[2J>=1")
    assert "\x1b" not in str(raised.value)


PIECES = st.sampled_from(
    [
        *KEYS,
        *METRICS,
        "pass@3",
        "seconds",
        "=",
        ",",
        "/",
        ">=",
        "<",
        ":",
        "-",
        "+",
        "5",
        "0.5",
        "%",
        "pp",
        "GB",
        "$",
        " ",
    ]
)


@given(st.one_of(st.text(), st.lists(PIECES | st.text(max_size=2), max_size=10).map("".join)))
def test_any_text_is_read_or_refused_and_reads_the_same_again(text: str) -> None:
    try:
        requirement = parse_requirement(text)
    except UserError:
        return
    assert parse_requirement(requirement.text) == requirement


VALUES = st.text(st.characters(exclude_characters=","), min_size=1).filter(str.strip)
FILTERS = st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=3)
DEMANDS = st.sampled_from(["success_rate>=90%", "tokens : 5", "cost<$5", "pass^2>0.5", "peak_ram:-5 mib"])


@given(FILTERS, DEMANDS)
def test_filters_hold_what_was_written(filters: dict[str, str], demand: str) -> None:
    before = ",".join(f"{key}={value}" for key, value in filters.items())
    requirement = parse_requirement(f"{before}/{demand}" if before else demand)
    assert dict(requirement.filters) == {key: value.strip() for key, value in filters.items()}
    assert parse_requirement(requirement.text) == requirement


def test_the_pages_examples_are_read_and_its_table_is_whole() -> None:
    page = PAGE.read_text(encoding="utf-8")
    block = re.search(r"```text\n(.*?)```", page, re.DOTALL)
    assert block
    examples = [line.partition(" #")[0] for line in block[1].splitlines()]
    assert len([parse_requirement(example) for example in examples]) == 10
    for name in (*METRICS, *KEYS):
        shown = re.sub("k$", "K", name) if name.startswith("pass") else name
        assert f"`{shown}`" in page
        assert shown in GRAMMAR


def test_the_grammars_examples_are_read() -> None:
    examples = GRAMMAR.rpartition("examples:")[2].split()
    assert len([parse_requirement(example) for example in examples]) == 4
