"""What stands between engine and backends: who is asked, what is kept, what comes back."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from pytest_llmroute.core.models import ModelCard, Price
from pytest_llmroute.core.replies import Call, Reply, Tokens
from pytest_llmroute.core.requests import Message, Sampling
from pytest_llmroute.engine.replay import Mode, Replay
from pytest_llmroute.errors import Cause, ModelCallError
from pytest_llmroute.store.recordings import Recordings

CARD = ModelCard("house", "mine", price=Price(1, 1))


@dataclass
class Model:
    """Numbers its answers; `fails` of them are failures."""

    fails: int = 0
    opened: int = 0
    asked: list[str] = field(default_factory=list)

    def __call__(self, card: ModelCard) -> Model:
        self.opened += 1
        return self

    def generate(self, call: Call) -> Reply:
        self.asked.append(call.messages[-1].content)
        if self.fails:
            self.fails -= 1
            raise ModelCallError(Cause.SERVER, "broken", model=call.card.name)
        return Reply(f"{len(self.asked)}: {self.asked[-1]}", "house", Tokens(3, 1))

    def close(self) -> None:
        """Nothing to close."""


Session = Callable[..., "Asking"]


@dataclass
class Asking:
    """A session of pytest, as far as it asks."""

    replay: Replay
    model: Model

    def __call__(self, text: str, item: str = "test_a", card: ModelCard = CARD) -> Reply:
        call = Call(card, (Message("user", text),), Sampling(seed=1), case_id=item)
        return self.replay.over(self.model, item)(card).generate(call)

    def fails(self, text: str) -> ModelCallError:
        with pytest.raises(ModelCallError) as caught:
            self(text)
        return caught.value


@pytest.fixture
def model() -> Model:
    return Model()


@pytest.fixture
def session(tmp_path: Path, model: Model) -> Session:
    def start(mode: Mode, *, cache: bool = False) -> Asking:
        return Asking(Replay(mode, Recordings(tmp_path, "kept"), cache=cache), model)

    return start


def files(tmp_path: Path) -> list[Path]:
    return sorted((tmp_path / "kept").glob("*/*"))


def test_auto_asks_for_what_is_not_recorded_and_only_for_that(session: Session, model: Model) -> None:
    assert session("auto")("x") == replace(
        Reply("1: x", "house", Tokens(3, 1), usd=4e-6), recording=(key := kept(session))
    )
    again = session("auto")
    assert again("x") == Reply("1: x", "house", Tokens(3, 1), usd=4e-6, replayed=True, recording=key)
    assert again("y").text == "2: y"
    assert model.asked == ["x", "y"]


def kept(session: Session) -> str:
    return session("only")("x").recording


def test_only_opens_no_model_and_says_what_it_lacks(session: Session, model: Model, tmp_path: Path) -> None:
    empty = session("only")
    assert not empty.replay.asks
    error = empty.fails("x")
    assert (error.cause, error.model, "; kept holds nothing" in error.text) == (Cause.RECORDING, "house", True)
    session("auto")("x")
    opened = model.opened
    only = session("only")
    assert only("x").replayed
    text = only.fails("z").text
    assert 'differs: prompt: message 1 (user), line 1: "z", recorded "x"' in text
    ((item, file, closest),) = only.replay.missing
    assert (item, file.startswith("house: kept/"), closest in text) == ("test_a", True, True)
    assert model.opened == opened


def test_rewrite_always_asks_and_replaces(session: Session, model: Model, tmp_path: Path) -> None:
    session("auto")("x")
    assert session("rewrite")("x").text == "2: x"
    assert session("only")("x").text == "2: x"
    assert len(files(tmp_path)) == 1


def test_none_is_not_in_the_way(session: Session, model: Model, tmp_path: Path) -> None:
    off = session("none")
    assert off.replay.over(model, "test_a") == model
    assert off("x").recording == ""
    assert files(tmp_path) == []


def test_equal_requests_of_one_test_have_replies_of_their_own(session: Session) -> None:
    """So a test that draws several samples, or is run again by a plugin, gets them again in their order."""
    first, again = session("auto"), session("only")
    texts = [first("x").text for _ in range(3)]
    assert texts == ["1: x", "2: x", "3: x"]
    assert [again("x").text for _ in range(3)] == texts
    assert again.fails("x").text.endswith("differs: occurrence 4, recorded 3")
    assert first("x", "test_b").text == "1: x", "another test's first is the same request"


def test_a_failure_is_not_recorded_and_its_next_try_is_the_same_request(
    session: Session, model: Model, tmp_path: Path
) -> None:
    model.fails = 2
    auto = session("auto")
    for _ in range(2):
        auto.fails("x")
    assert files(tmp_path) == []
    assert auto("x").text == "3: x"
    assert session("only")("x").text == "3: x"


def test_equal_requests_at_once_are_told_apart(session: Session, model: Model, tmp_path: Path) -> None:
    auto = session("auto")
    threads = [threading.Thread(target=auto, args=("x",)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(files(tmp_path)) == 8
    only = session("only")
    assert len({only("x").text for _ in range(8)}) == 8


def test_a_broken_recording_fails_its_call_and_is_told_at_the_end(
    session: Session, model: Model, tmp_path: Path
) -> None:
    session("auto")("x")
    (path,) = files(tmp_path)
    path.write_text("{")
    for mode in ("auto", "only"):
        broken = session(mode)
        error = broken.fails("x")
        assert (error.cause, f"kept/{path.parent.name}/{path.name} is no JSON" in error.text) == (Cause.RECORDING, True)
        assert len(broken.replay.troubles) == 1
    assert model.asked == ["x"]
    assert session("rewrite")("x").text == "2: x"
    assert session("only")("x").text == "2: x"


def test_what_cant_be_recorded_is_told_and_the_reply_is_there(session: Session, tmp_path: Path) -> None:
    (tmp_path / "kept").write_text("a file")
    auto = session("auto")
    assert auto("x").text == "1: x"
    (told,) = auto.replay.troubles
    assert "can't be written" in told


def test_a_scripted_model_is_asked_as_ever(session: Session, model: Model, tmp_path: Path) -> None:
    """It asks nobody, and its answers stand in the project already."""
    card = replace(CARD, backend="scripted")
    assert session("only")("x", card=card).text == "1: x"
    assert session("auto")("x", card=card).text == "2: x"
    assert files(tmp_path) == []


@pytest.mark.parametrize("mode", ["none", "auto", "rewrite"])
def test_with_a_cache_an_identical_request_of_another_test_is_not_sent_again(
    session: Session, model: Model, mode: Mode
) -> None:
    cached = session(mode, cache=True)
    assert [cached("x", item).reused for item in ("a", "b", "c")] == [False, True, True]
    assert not cached("x", "a").reused, "the second of one test is another request"
    assert not cached("y").reused
    assert len(model.asked) == 3
    assert session("rewrite")("x").reused is False
