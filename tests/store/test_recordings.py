"""Recorded calls: what their names stand for, what their files hold, and what is said of a call that has none."""

from __future__ import annotations

import json
import threading
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_llmroute.config.schema import published
from pytest_llmroute.core.models import ModelCard
from pytest_llmroute.core.redact import Redactor
from pytest_llmroute.core.replies import Call, Reply, Timings, Tokens
from pytest_llmroute.core.requests import Message, Sampling
from pytest_llmroute.store.closest import closest, difference
from pytest_llmroute.store.recordings import Recording, RecordingError, Recordings, key_of, request_of, said_of

CARD = ModelCard("house", "openai", id="served", path="/home/ann/weights.gguf")
CALL = Call(CARD, (Message("user", "hello"),), Sampling(temperature=0.5, seed=1), case_id="test_it.py::test_a")
REPLY = Reply(
    "hi",
    "house",
    Tokens(3, 1),
    Timings(total=0.25),
    tool_calls=({"id": "1", "name": "look", "arguments": {"at": "it"}},),
    finish="stop",
    thinking="well\nyes",
    sent={"temperature": 0.5},
    digest="abc",
    usd=0.125,
)
TEXT = st.text(st.characters(codec=None), max_size=20)
NAMES = st.text("abc", min_size=1, max_size=2)
SETTINGS = st.builds(
    Sampling,
    temperature=st.none() | st.floats(0, 2),
    max_tokens=st.none() | st.integers(1, 9),
    top_p=st.none() | st.floats(0, 1),
    seed=st.none() | st.integers(0, 9),
    stop=st.lists(NAMES, max_size=2).map(tuple),
    reasoning=st.none() | st.booleans(),
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXT, lambda inner: st.dictionaries(NAMES, inner), max_leaves=4
)
TABLES = st.dictionaries(NAMES, JSON, min_size=1, max_size=2)
MESSAGES = st.builds(
    Message,
    st.sampled_from(["user", "tool"]),
    TEXT,
    st.lists(TABLES, max_size=1).map(tuple),
    st.sampled_from(["", "1"]),
)
CARDS = st.builds(
    ModelCard,
    name=NAMES,
    backend=NAMES,
    id=NAMES,
    path=NAMES,
    dtype=st.sampled_from(["auto", "float32"]),
    quantization=st.sampled_from(["none", "8bit"]),
    prompt_format=st.sampled_from(["", "chatml"]),
    thinking=st.sampled_from(["", "optional"]),
    server=st.sampled_from(["", "vllm"]),
    api_version=st.sampled_from(["", "2026-10-21"]),
)
CALLS = st.builds(
    Call,
    card=CARDS,
    messages=st.lists(MESSAGES, min_size=1, max_size=2).map(tuple),
    settings=SETTINGS,
    repeat=st.integers(1, 3),
    tools=st.lists(TABLES, max_size=1).map(tuple),
    schema=st.none() | TABLES,
    logprobs=st.booleans(),
)
DECIDES = [
    item.name for item in fields(Call) if item.name not in ("role", "case_id", "column", "task", "timeout", "script")
]


def key(call: Call, occurrence: int = 1) -> str:
    return key_of(request_of(call, occurrence))


class TestTheKey:
    @given(CALLS, st.integers(1, 3))
    def test_equal_requests_have_equal_keys(self, call: Call, occurrence: int) -> None:
        """Whoever asks: the test, its column, the role of the model and the time it has decide no reply."""
        elsewhere = replace(
            call, role="small", case_id="x", column="y", task="fix", timeout=1.0, script="z",
            card=replace(call.card, base_url="http://other", path=f"/other/{call.card.path}", context=5, threads=9),
        )  # fmt: skip
        assert key(call, occurrence) == key(elsewhere, occurrence)

    @given(CALLS, CALLS, st.sampled_from(DECIDES))
    def test_any_field_changed_is_another_key(self, call: Call, other: Call, name: str) -> None:
        changed = replace(call, **{name: getattr(other, name)})
        assert (key(changed) == key(call)) == (getattr(changed, name) == getattr(call, name))

    @given(CALLS, CALLS, st.sampled_from([item.name for item in fields(Sampling)]))
    def test_any_setting_changed_is_another_key(self, call: Call, other: Call, name: str) -> None:
        changed = replace(call, settings=replace(call.settings, **{name: getattr(other.settings, name)}))
        assert (key(changed) == key(call)) == (changed == call)

    @given(CALLS, st.integers(2, 5))
    def test_repeats_and_equal_requests_of_one_test_are_told_apart(self, call: Call, number: int) -> None:
        assert len({key(call), key(call, number), key(replace(call, repeat=call.repeat + number))}) == 3

    def test_a_number_is_one_however_it_is_written(self) -> None:
        assert key(replace(CALL, settings=Sampling(temperature=0))) == key(
            replace(CALL, settings=Sampling(temperature=0.0))
        )

    def test_a_key_stays_what_it_is_from_version_to_version(self) -> None:
        """A changed one makes everybody's recordings useless."""
        assert key(CALL) == "f79d3ecffcb0fbd7928eff3957d54bfa"


class TestTheFile:
    @given(CALLS, TEXT, TEXT)
    def test_what_is_kept_comes_back(
        self, tmp_path_factory: pytest.TempPathFactory, call: Call, text: str, thinking: str
    ) -> None:
        recordings = Recordings(tmp_path_factory.mktemp("r"), "recordings")
        request = recordings.request(call)
        reply = replace(REPLY, text=text, thinking=thinking)
        recordings.keep(request, reply, "a case")
        found = recordings.find(key_of(request))
        assert found is not None
        assert found.said == said_of(reply)
        assert found.reply == replace(reply, replayed=True, recording=key_of(request))

    def test_it_is_made_to_be_read(self, tmp_path: Path) -> None:
        recordings = Recordings(tmp_path, "kept", version="1.2")
        call = replace(CALL, messages=(Message("user", "über\nzwei\u202e\x1b"),))
        recordings.keep(recordings.request(call), REPLY, "test_it.py::test_a")
        (path,) = (tmp_path / "kept").glob("*/*")
        assert path.name[:2] == path.parent.name
        text = path.read_text(encoding="utf-8")
        assert '"über",\n     "zwei\\u202e\\u001b"\n' in text
        assert "/home/ann" not in text
        data = json.loads(text)
        assert list(data) == sorted(data)
        assert (data["schema"], data["version"], data["case"]) == (1, "1.2", "test_it.py::test_a")
        assert set(data["request"]) == {"messages", "model", "repeat", "settings"}

    def test_secrets_are_in_none_of_it(self, tmp_path: Path) -> None:
        secret, key_like = "correct-horse-battery", "sk-" + "a1" * 12
        redact = Redactor({"HOUSE_API_KEY": secret})
        recordings = Recordings(tmp_path, "kept", redact)
        said = f"{secret} {key_like}"
        call = replace(
            CALL,
            card=replace(CARD, id=said),
            messages=(Message("user", said, ({"id": "1", "name": said, "arguments": {said: [said]}},)),),
            settings=Sampling(stop=(said,)),
            tools=({"name": said},),
            schema={"title": said},
            case_id=said,
        )
        table = {"id": "1", "name": "x", "arguments": {said: said}}
        reply = replace(
            REPLY, text=said, thinking=said, tool_calls=(table,), sent={"x": said}, logprobs=[{"token": said}]
        )
        request = recordings.request(call)
        recordings.keep(request, reply, call.case_id)
        (path,) = (tmp_path / "kept").glob("*/*")
        assert secret not in path.read_text()
        assert key_like not in path.read_text()
        assert recordings.find(key_of(request)) is not None, "the name is a hash of what the file holds"

    def test_a_reply_that_says_the_same_changes_no_file(self, tmp_path: Path) -> None:
        recordings = Recordings(tmp_path, "kept")
        request = recordings.request(CALL)
        recordings.keep(request, REPLY, "a")
        before = recordings.file(key_of(request)).read_text()
        recordings.keep(request, replace(REPLY, timings=Timings(total=9)), "b")
        assert recordings.file(key_of(request)).read_text() == before
        recordings.keep(request, replace(REPLY, text="other"), "b")
        found = recordings.find(key_of(request))
        assert found is not None
        assert (found.reply.text, found.case) == ("other", "b")

    def test_of_two_who_record_at_once_one_whole_file_stays(self, tmp_path: Path) -> None:
        recordings = Recordings(tmp_path, "kept")
        request = recordings.request(CALL)
        texts = [str(number) * 50_000 for number in range(8)]
        threads = [
            threading.Thread(target=recordings.keep, args=(request, replace(REPLY, text=text), "a")) for text in texts
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        found = recordings.find(key_of(request))
        assert found is not None
        assert found.reply.text in texts
        assert recordings.keys() == [key_of(request)]
        assert len(list((tmp_path / "kept").glob("*/*"))) == 1

    @pytest.mark.parametrize(
        ("change", "told"),
        [
            (lambda data: "no json", "is no JSON: "),
            (lambda data: "<<<<<<< ours\n", r"is no JSON \(a merge left its marks in it\)"),
            (lambda data: "[]", "is broken: : must be a mapping"),
            (lambda data: json.dumps({**data, "schema": 2}), r"was written by a newer version \(schema 2"),
            (lambda data: json.dumps({**data, "more": 1}), 'is broken: more: unknown key "more"'),
            (lambda data: json.dumps({**data, "reply": {**data["reply"], "text": 5}}), "is broken: reply.text: "),
            (lambda data: json.dumps({**data, "request": {**data["request"], "repeat": 2}}), "its request was changed"),
        ],
    )  # fmt: skip
    def test_a_file_that_cant_be_believed_is_named(self, tmp_path: Path, change: Any, told: str) -> None:
        recordings = Recordings(tmp_path, "kept")
        request = recordings.request(CALL)
        recordings.keep(request, REPLY, "a")
        path = recordings.file(key_of(request))
        path.write_text(change(json.loads(path.read_text())))
        with pytest.raises(RecordingError, match=told) as caught:
            recordings.find(key_of(request))
        assert f"kept/{path.parent.name}/{path.name}" in str(caught.value)
        assert "LLR604" in str(caught.value)
        assert list(recordings.all()) == []
        recordings.keep(request, REPLY, "a")
        assert recordings.find(key_of(request)) is not None, "recorded anew"

    def test_a_folder_that_cant_be_written_is_said(self, tmp_path: Path) -> None:
        (tmp_path / "kept").write_text("a file")
        recordings = Recordings(tmp_path, "kept")
        with pytest.raises(RecordingError, match=r"kept/.*can't be written"):
            recordings.keep(recordings.request(CALL), REPLY, "a")

    def test_the_schema_names_every_field(self) -> None:
        said = published("recording")["properties"]["reply"]["properties"]
        for name, cls in (("tokens", Tokens), ("timings", Timings)):
            assert set(said[name]["properties"]) == {item.name for item in fields(cls)}


class TestTheClosest:
    @pytest.mark.parametrize(
        ("changed", "told"),
        [
            ({"card": replace(CARD, name="other")}, 'model "other", recorded "house"'),
            ({"card": replace(CARD, id="x")}, 'model id "x", recorded "served"'),
            ({"settings": Sampling(seed=1)}, "temperature not set, recorded 0.5"),
            ({"messages": (Message("user", "hallo"),)}, 'prompt: message 1 (user), line 1: "hallo", recorded "hello"'),
            ({"messages": (Message("user", "hello\nyou"),)}, 'message 1 (user), line 2: "you", recorded nothing'),
            ({"messages": (Message("system", "hello"),)}, 'message 1 is of "system", recorded "user"'),
            ({"messages": (*CALL.messages, Message("user", "x"))}, "2 messages, recorded 1"),
            ({"messages": (Message("user", "hello", ({"name": "x"},)),)}, "message 1 has other tool calls"),
            ({"tools": ({"name": "x"},)}, "another set of tools"),
            ({"schema": {"type": "object"}}, "another schema"),
            ({"repeat": 3}, "repeat 3, recorded 1"),
            ({"logprobs": True}, "logprobs true, recorded 1"),
        ],
    )  # fmt: skip
    def test_what_differs_is_told(self, changed: dict[str, Any], told: str) -> None:
        assert difference(request_of(replace(CALL, **changed)), request_of(CALL)).endswith(told)

    def test_a_long_line_is_shown_where_it_parts(self) -> None:
        long = "x" * 300
        now, then = (replace(CALL, messages=(Message("user", long + word + long),)) for word in ("one", "two"))
        told = difference(request_of(now), request_of(then))
        assert "…xxxxxxxxxxxxxxxxxxxxone" in told
        assert "…xxxxxxxxxxxxxxxxxxxxtwo" in told
        assert len(told) < 160

    def test_one_of_the_same_test_comes_first_then_what_differs_least(self) -> None:
        def recorded(text: str, case: str, **settings: Any) -> Recording:
            call = replace(CALL, messages=(Message("user", text),), settings=Sampling(**settings))
            return Recording(request_of(call), said_of(REPLY), case)

        wanted = request_of(replace(CALL, messages=(Message("user", "fix this line"),), settings=Sampling(seed=1)))
        alike = recorded("fix this linen", "b", seed=1)
        worse = recorded("something else", "b", seed=1)
        own = recorded("something else", "a", seed=2, top_p=0.5)
        assert closest(wanted, "a", [worse, alike, own]) is own
        assert closest(wanted, "c", [worse, alike, own]) is alike
        assert closest(wanted, "c", []) is None
