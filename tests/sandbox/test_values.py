"""Values cross as they are, and whatever else comes is refused, never run."""

from __future__ import annotations

import json
import math
import os
from collections import Counter, OrderedDict, deque
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pytest_llmroute.sandbox.inside.channel import Channel, Garbled, Gone
from pytest_llmroute.sandbox.inside.judge import judge, names_for
from pytest_llmroute.sandbox.inside.values import DEEPEST, NoValue, base_of, decode, encode

plain: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.complex_numbers() | st.text(st.characters())
    | st.binary() | st.decimals() | st.fractions() | st.dates() | st.times().map(lambda time: time.replace(fold=0))
    | st.datetimes().map(lambda time: time.replace(fold=0)) | st.timedeltas()
    | st.builds(range, st.integers(), st.integers(), st.integers(1))
    | st.frozensets(st.integers()) | st.sets(st.text()),
    lambda inner: st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(st.text() | st.integers(), inner)
    | st.builds(deque, st.lists(inner), st.none() | st.integers(0, 9))
    | st.builds(OrderedDict, st.dictionaries(st.integers(), inner)) | st.builds(Counter, st.lists(st.text())),
    max_leaves=20,
)  # fmt: skip
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(list("ltsfdCoqibBcrDFhnek")),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=30,
)


def refuse(_: Any) -> Any:
    raise NoValue("no value")


def shown(value: Any) -> str:
    """A text that tells every value from another; items of sets come in no order of their own."""
    if isinstance(value, set | frozenset):
        return f"{type(value).__name__} {sorted(map(shown, value))}"
    if isinstance(value, dict):
        return f"{type(value).__name__} {[(shown(key), shown(item)) for key, item in value.items()]}"
    if isinstance(value, list | tuple | deque):
        return f"{type(value).__name__} {getattr(value, 'maxlen', '')} {list(map(shown, value))}"
    return repr(value)


@given(plain)
def test_a_plain_value_comes_back_as_it_was(value: Any) -> None:
    found = decode(json.loads(json.dumps(encode(value, refuse))), refuse)
    assert type(found) is type(value)
    assert shown(found) == shown(value)


@given(json_values)
@example(["q"])
def test_whatever_comes_is_a_plain_value_or_refused(told: Any) -> None:
    try:
        found = decode(told, refuse)
    except NoValue:
        return
    assert type(found).__module__ in ("builtins", "collections", "decimal", "fractions", "datetime")


@pytest.mark.parametrize("kind", [int, float, str, bytes, list, tuple, set, frozenset, dict])
def test_of_a_subclass_only_the_builtin_value_crosses(kind: type[Any]) -> None:
    class Lies(kind):  # type: ignore[misc]
        def __eq__(self, other: object) -> bool:
            return True

        def __hash__(self) -> int:
            return 0

        def __iter__(self) -> Any:
            raise AssertionError

    found = base_of(Lies())
    assert type(found) is kind
    assert found == kind()


def test_a_negative_zero_and_a_nan_keep_what_they_are() -> None:
    class Own(float):
        pass

    assert math.copysign(1, base_of(Own(-0.0))) == -1
    assert math.isnan(base_of(Own("nan")))


def test_what_is_too_deep_does_not_cross() -> None:
    value: list[Any] = []
    for _ in range(DEEPEST + 5):
        value = [value]
    with pytest.raises(NoValue):
        encode(value, refuse)


class Pipes:
    """A judge's channel whose other side is ours."""

    def __init__(self) -> None:
        incoming, self.say = os.pipe()
        self.heard, outgoing = os.pipe()
        self.channel = Channel(incoming, outgoing)


@given(st.lists(json_values, max_size=4), st.binary(max_size=40))
def test_a_judge_says_error_whatever_it_is_sent(messages: list[Any], rest: bytes) -> None:
    """Also when the process that should run the solution is in the solution's hand altogether."""
    pipes = Pipes()
    said = Channel(pipes.heard, pipes.say)
    for message in (["value", ["f"]], *messages):
        said.send(message)
    os.write(pipes.say, rest)
    os.close(pipes.say)
    verdict = judge(pipes.channel, {"code": "", "setup": "", "tests": ["assert f(1) == 82647"]}, str)
    assert verdict["status"] in ("error", "fail")
    assert verdict["held"] == [False]
    for file in (pipes.heard, pipes.channel.incoming, pipes.channel.outgoing):
        os.close(file)


def test_a_message_that_is_cut_or_too_long_is_told() -> None:
    for sent, wrong in (
        (b"\0\0", Gone),
        (b"\0\0\0\x09[1", Gone),
        (b"\xff\xff\xff\xff", Garbled),
        (b"\0\0\0\x02[1", Garbled),
    ):
        incoming, outgoing = os.pipe()
        os.write(outgoing, sent)
        os.close(outgoing)
        with pytest.raises(wrong):
            Channel(incoming, -1).receive()
        os.close(incoming)


@pytest.mark.parametrize(
    ("tests", "names"),
    [
        (["assert f(1) == 2"], {"f"}),
        (["assert sum(10, 15) == 6", "assert sum(1, 2) == 3"], {"sum"}),
        (["assert set(f(1)) == set([2])"], {"f"}),
        (["assert sorted(max([1, 2])) == sorted([1])"], {"max"}),
        (["assert len(max([1])) == 3"], set()),
        (["assert x ==", "assert f(x)"], {"f", "x"}),
    ],
)
def test_a_builtin_is_the_solutions_only_where_nothing_else_can_be_meant(tests: list[str], names: set[str]) -> None:
    assert names_for(tests) == names
