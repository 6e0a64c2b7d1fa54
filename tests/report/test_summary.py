"""The summary's figures and its table."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from importlib import resources
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_llmroute.core.records import CallRecord, Record
from pytest_llmroute.core.stats import quantile, wilson
from pytest_llmroute.report.jsonfile import ReportError, write_json
from pytest_llmroute.report.summary import ColumnSummary, RunHead, Tally, summarize
from pytest_llmroute.report.terminal import display_width, misses, render

HEAD = RunHead("run", "0", "ollama", ("balanced", "fast"), "now")


def record(outcome: str = "passed", column: str = "fast", **changes: object) -> Record:
    base = Record("run", "t.py::a", "t.py::a", column, outcome=outcome, success=outcome == "passed")
    return replace(base, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("passes", "total", "low", "high"),
    [(8, 10, 0.490, 0.943), (0, 10, 0.0, 0.278), (10, 10, 0.722, 1.0), (1, 2, 0.095, 0.905)],
)
def test_wilson_gives_the_known_intervals(passes: int, total: int, low: float, high: float) -> None:
    found = wilson(passes, total)
    assert found is not None
    assert list(found) == pytest.approx([low, high], abs=5e-4)


@given(st.integers(1, 10_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_an_interval_holds_its_rate_and_stays_between_0_and_1(pair: tuple[int, int]) -> None:
    found = wilson(*pair)
    assert found is not None
    assert 0 <= found[0] <= pair[0] / pair[1] <= found[1] <= 1


@given(st.lists(st.floats(0, 1e6), min_size=1))
def test_quantiles_lie_within_the_values(values: list[float]) -> None:
    median, p95 = quantile(values, 0.5), quantile(values, 0.95)
    assert median is not None
    assert p95 is not None
    assert min(values) <= median <= p95 <= max(values)


def test_only_tries_are_scored() -> None:
    outcomes = ["passed", "passed", "missed", "failed", "error", "skipped", "interrupted"]
    (column,) = summarize([record(outcome) for outcome in outcomes], HEAD).columns
    assert (column.total, column.passed, column.rate) == (4, 2, 0.5)
    assert (column.errors, column.skipped, column.interrupted) == (1, 1, 1)


def test_first_attempt_counts_solved_cases_only() -> None:
    records = [record(first_attempt=True), record(first_attempt=False), record("missed", first_attempt=True)]
    assert summarize(records, HEAD).columns[0].first_attempt == 1


def test_columns_stand_in_the_order_of_the_command_line() -> None:
    records = [record(column="zeta"), record(column="fast"), record(column="balanced")]
    assert [column.column for column in summarize(records, HEAD).columns] == ["balanced", "fast", "zeta"]


OUTCOMES = st.sampled_from(["passed", "missed", "error", "skipped"])
CALLS = st.lists(st.builds(CallRecord, st.sampled_from("ab"), ps_size=st.none() | st.integers(1, 9)), max_size=2)
CASES = st.builds(
    lambda number, calls, **fields: record(
        nodeid=f"{number}", group=f"{number % 3}", repeats=3, success=fields["outcome"] == "passed",
        calls=tuple(calls), **fields,
    ),
    st.integers(0, 99), CALLS, outcome=OUTCOMES, column=st.sampled_from(["fast", "other", "else"]),
    seconds=st.floats(0, 9), usd=st.none() | st.floats(0, 9), error_class=st.sampled_from([None, "refused", "timeout"]),
)  # fmt: skip


@given(st.lists(CASES, max_size=12), st.randoms())
def test_the_order_of_records_does_not_matter(records: list[Record], random: Random) -> None:
    """Not even to the last digit of a sum, or to the order of what is as frequent."""
    mixed = random.sample(records, len(records))
    assert repr(summarize(records, HEAD)) == repr(summarize(mixed, HEAD))


@given(st.lists(CASES, min_size=1, max_size=8, unique_by=lambda one: one.nodeid), st.sets(st.integers(0, 7)))
def test_a_teardown_that_failed_counts_as_the_record_that_is_kept_of_it(records: list[Record], torn: set[int]) -> None:
    tally = Tally(HEAD)
    for one in records:
        tally.add(one)
    for place in torn & set(range(len(records))):
        tally.turn_into_error(records[place])
    kept = [one.torn_down("") if place in torn else one for place, one in enumerate(records)]
    assert repr(tally.summary()) == repr(summarize(kept, HEAD))


def test_the_table_of_a_run() -> None:
    calls = (CallRecord("gemma2:2b", usd=0.0012),)
    records = [
        record(column="balanced", seconds=1.4, prompt_tokens=812, completion_tokens=44, rss_peak=940_000_000,
               calls=calls, usd=0.0012, first_attempt=True),
        record("missed", column="balanced", seconds=0.25, prompt_tokens=900, tokens_exact=False, calls=calls),
        record("error", column="fast", error_class="refused"),
    ]  # fmt: skip
    assert render(summarize(records, HEAD)) == [
        "column    pass  rate   95%  first  median    p95  tokens in/out  peak RAM     cost",
        "balanced   1/2   50%  9–91    50%  825 ms  1.3 s       ~1.7k/44    940 MB  $0.0012",
        "fast       0/0     -     -      -       -      -            0/0         -        -",
        "balanced  used gemma2:2b ×2",
        "fast: 1 error(s), not counted (refused ×1)",
        "~ estimated tokens",
    ]


def test_a_scripted_row_says_so_in_the_row_and_below() -> None:
    lines = render(summarize([record(scripted=True, forced=True)], HEAD))
    assert lines[1].endswith("forced, scripted")
    assert "scripted: replies were written beforehand, no model was called" in lines


NAMES = st.text(st.characters(codec=None), min_size=1, max_size=60)


@given(st.lists(NAMES, min_size=1, max_size=4), NAMES, st.booleans(), st.integers(0, 10**12))
def test_no_name_breaks_the_table(names: list[str], model: str, unicode: bool, big: int) -> None:
    records = [
        record(column=name, seconds=big / 7, prompt_tokens=big, completion_tokens=big, rss_peak=big, usd=big / 3,
               scripted=True, forced=True, canned=True, calls=(CallRecord(model),) * 3)
        for name in names
    ]  # fmt: skip
    for line in [*render(summarize(records, HEAD), unicode=unicode), *misses([(n, model) for n in names])]:
        assert display_width(line) <= 100
        assert line.isprintable()


def test_without_unicode_every_line_is_ascii() -> None:
    records = [record(column="größe", calls=(CallRecord("modèle"),))]
    assert all(line.isascii() for line in render(summarize(records, HEAD), unicode=False))


def test_ten_misses_are_shown_and_the_others_counted() -> None:
    missed = [(f"t.py::{n}", "why") for n in range(12)]
    assert misses(missed)[-1] == "… and 2 more (-v shows all)"
    assert len(misses(missed, limit=None)) == 24


def test_the_published_schema_names_every_field() -> None:
    schema = json.loads((resources.files("pytest_llmroute.config") / "schemas" / "run.schema.json").read_text())
    for name, cls in (("run", RunHead), ("column", ColumnSummary), ("record", Record), ("call", CallRecord)):
        assert set(schema["$defs"][name]["properties"]) == {field.name for field in fields(cls)}, name


def test_a_json_file_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    tally = Tally(HEAD)
    target = tmp_path / "out.json"
    write_json(target, tally.summary(), [record(), record()])
    assert len(json.loads(target.read_text())["records"]) == 2

    def breaks() -> object:
        yield record()
        raise OSError(28, "No space left on device")

    with pytest.raises(ReportError, match="No space left"):
        write_json(target, tally.summary(), breaks())  # type: ignore[arg-type]
    assert len(json.loads(target.read_text())["records"]) == 2
    assert list(tmp_path.iterdir()) == [target]
