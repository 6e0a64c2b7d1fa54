"""What each perturbation leaves as it is, and that it does change something."""

from __future__ import annotations

import re
import unicodedata
from functools import partial
from itertools import permutations
from operator import eq

import pytest
from hypothesis import find, given, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from pytest_llmroute.errors import UserError
from pytest_llmroute.testing.strategies import (
    Perturbation,
    code,
    end_punctuation,
    letter_case,
    line_ends,
    margins,
    perturbed,
    prompts,
    prose,
    sentence_order,
    spaces,
    unicode_form,
)

from .reach import reached

ALL = (spaces, margins, line_ends, letter_case, unicode_form, end_punctuation, sentence_order)
TEXTS = st.text(max_size=30) | st.text("aB .!?\n\t\r”é", max_size=20) | prompts(max_size=300)
SENTENCE = re.compile(r"[^.!?]+[.!?]")


def drawn(data: st.DataObject, of: Perturbation) -> tuple[str, str]:
    text = data.draw(TEXTS, label="text")
    return text, data.draw(of(text), label="perturbed")


def lines(text: str) -> list[str]:
    return re.split(r"\r\n|\r|\n", text)


@given(st.data())
def test_spaces_keep_words_lines_and_indentation(data: st.DataObject) -> None:
    text, new = drawn(data, spaces)
    assert new.split() == text.split()
    assert new.splitlines(keepends=True) == [
        line if len(line.split()) < 2 else other
        for line, other in zip(text.splitlines(keepends=True), new.splitlines(keepends=True), strict=True)
    ]
    indents = [re.match(r"\s*", line) for line in (*text.split("\n"), *new.split("\n"))]
    half = len(indents) // 2
    assert [found and found[0] for found in indents[:half]] == [found and found[0] for found in indents[half:]]


@given(st.data())
def test_margins_keep_lines_up_to_blanks_at_their_ends(data: st.DataObject) -> None:
    text, new = drawn(data, margins)

    def body(whole: str) -> list[str]:
        return [line.rstrip() for line in whole.strip("\n").split("\n")]

    assert [one for one in body(new) if one] == [one for one in body(text) if one]
    assert new.strip() == text.strip() or "\n" in text or "\r" in text


@given(st.data())
def test_line_ends_keep_the_lines(data: st.DataObject) -> None:
    text, new = drawn(data, line_ends)

    def ended(whole: str) -> list[str]:
        found = lines(whole)
        return found[:-1] if found[-1] == "" else found

    assert ended(new) == ended(text)


@given(st.data())
def test_letter_case_keeps_what_ignores_case(data: st.DataObject) -> None:
    text, new = drawn(data, letter_case)
    assert new.casefold() == text.casefold()
    assert len(new) == len(text)


@given(st.data())
def test_unicode_form_keeps_canonical_equivalence(data: st.DataObject) -> None:
    text, new = drawn(data, unicode_form)
    assert unicodedata.normalize("NFC", new) == unicodedata.normalize("NFC", text)


@given(st.data())
def test_end_punctuation_keeps_all_before_it(data: st.DataObject) -> None:
    text, new = drawn(data, end_punctuation)
    blank = len(text) - len(text.rstrip())
    core, other = (re.sub(r"[.!]\Z", "", one[: len(one) - blank]) for one in (text, new))
    assert core == other
    assert new == text or not text.rstrip().endswith("?")


@given(st.data())
def test_sentence_order_keeps_sentences_and_what_stands_between(data: st.DataObject) -> None:
    text, new = drawn(data, sentence_order)
    assert sorted(new) == sorted(text)


def test_sentences_come_in_any_order() -> None:
    for order in permutations(("See e.g. Rome.", "Who calls?", "Go (now)!")):
        reached(sentence_order("Who calls? Go (now)! See e.g. Rome."), partial(eq, " ".join(order)))


KEPT: list[tuple[Perturbation, str]] = [
    (spaces, "one"),
    (spaces, "    indented\n\tline  "),
    (end_punctuation, "Is it so?"),
    (end_punctuation, "and so on..."),
    (end_punctuation, "x = f(1);"),
    (end_punctuation, "```\ncode\n```"),
    (end_punctuation, ""),
    (letter_case, "1 + 2 = 3"),
    (sentence_order, "One sentence."),
    (sentence_order, "First this happens. Then that does. It is bad."),
    (sentence_order, "See e.g. Smith. But he is wrong."),
    (sentence_order, "Version 3.5 is out"),
    (sentence_order, "Read it.\n```\nA. B. C.\n```\nNow."),
    (sentence_order, "    Indented. Code."),
    (sentence_order, "1. Install it"),
    (unicode_form, "ascii"),
]


@pytest.mark.parametrize(("of", "text"), KEPT)
def test_what_is_left_as_it_is(of: Perturbation, text: str) -> None:
    @settings(max_examples=20)
    @given(of(text))
    def check(new: str) -> None:
        assert new == text

    check()


REACHED: list[tuple[Perturbation, str, str]] = [
    (spaces, "a b", "a  b"),
    (spaces, "a b", "a\tb"),
    (margins, "a\nb", "\n\na \nb\t\n"),
    (line_ends, "a\nb", "a\r\nb\r\n"),
    (line_ends, "a\r\nb\r\n", "a\nb"),
    (letter_case, "Fix it.", "FIX IT."),
    (letter_case, "Fix it.", "fix it."),
    (letter_case, "Fix it.", "Fix IT."),
    (unicode_form, "é", "e\u0301"),
    (end_punctuation, "Name the class", "Name the class."),
    (end_punctuation, "Name the class. ", "Name the class "),
    (end_punctuation, "Stop!", "Stop."),
    (sentence_order, "A is 1. B is 2. It is even. What is C", "B is 2. It is even. A is 1. What is C"),
    (sentence_order, "Dr. No left. Ann came.", "Ann came. Dr. No left."),
    (sentence_order, "甲。乙。", "乙。甲。"),
    (sentence_order, "Ann left.\n\nBo sang. Eve ran.", "Ann left.\n\nEve ran. Bo sang."),
]


@pytest.mark.parametrize(("of", "text", "new"), REACHED)
def test_what_is_reached(of: Perturbation, text: str, new: str) -> None:
    assert reached(of(text), lambda found: found == new) == new


@pytest.mark.parametrize("of", ALL)
def test_the_simplest_is_the_text_itself(of: Perturbation) -> None:
    text = "Où est  B? A is\t1. C is 2!\n\nEnd."
    assert find(of(text), lambda _: True) == text


@given(st.data())
def test_perturbations_are_put_together(data: st.DataObject) -> None:
    """Words stay under those that keep words, whatever their order."""
    text = data.draw(prose())
    some = data.draw(st.permutations([spaces, margins, line_ends, letter_case]))
    assert data.draw(perturbed(text, of=some)).casefold().split() == text.casefold().split()


def test_ones_own_perturbation_is_equal_to_ours() -> None:
    def please(text: str) -> SearchStrategy[str]:
        return st.sampled_from([text, f"Please. {text}"])

    wanted = "Please.  Go."
    assert reached(perturbed("Go.", of=(please, spaces)), lambda new: new == wanted) == wanted


@given(code(), st.data())
def test_a_texts_perturbations_can_be_encoded(text: str, data: st.DataObject) -> None:
    data.draw(perturbed(text, of=ALL)).encode()


@pytest.mark.parametrize("of", [[], ["spaces"], [None]])
def test_perturbed_wants_functions(of: list[Perturbation]) -> None:
    with pytest.raises(UserError, match="LLR209"):
        perturbed("text", of=of)
