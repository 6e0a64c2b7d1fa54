"""Properties instead of examples: what must hold for texts that nobody wrote. `pytest tasks/properties.py`

Needs the extra `hypothesis`, so it is not among what `pytest tasks` collects: that is the same suite wherever it runs.
docs/properties.md explains the strategies.
"""

import pytest

pytest.importorskip("pytest_llmroute.testing.strategies")

from hypothesis import given
from hypothesis import strategies as st

from pytest_llmroute.testing.strategies import (
    end_punctuation,
    few_examples,
    line_ends,
    margins,
    perturbed,
    sentence_order,
    spaces,
    values_of,
)

MESSAGES = st.sampled_from(
    [
        "NameError: name 'res' is not defined",
        "double free or corruption in height",
        "malloc(): corrupted top size in rover",
        "watchdog: BUG: soft lockup - CPU#2 stuck in force_knob",
    ]
)
WORD = {
    "enum": ["valve", "pump", "heater", "gate", "door", "lamp", "rover", "crane", "winch", "pedal", "wheel", "brake"]
}
SIGNATURE = {
    "type": "object",
    "properties": {
        "name": WORD,
        "parameters": {"type": "array", "items": WORD, "maxItems": 3, "uniqueItems": True},
        "returns": {"enum": ["int", "float", "bool", "str", "list", "dict"]},
    },
    "required": ["name", "parameters", "returns"],
    "additionalProperties": False,
}
PROGRAM = {
    "type": "object",
    "properties": {
        "variable": WORD,
        "function": WORD,
        "start": {"$ref": "#/$defs/number"},
        "limit": {"$ref": "#/$defs/number"},
    },
    "required": ["variable", "function", "start", "limit"],
    "additionalProperties": False,
    "$defs": {"number": {"type": "integer", "minimum": 0, "maximum": 99}},
}


def class_of(llm, message):
    return llm.generate(f"analyze\n{message}", task="analyze").text


@few_examples(8)
@given(message=MESSAGES, data=st.data())
def test_the_class_does_not_hang_on_layout(llm, message, data):
    """Blanks between words and around lines, and what ends a line, say nothing about an error."""
    changed = data.draw(perturbed(message, of=[spaces, margins, line_ends]))
    assert class_of(llm, changed) == class_of(llm, message)


@few_examples(8)
@given(message=MESSAGES, data=st.data())
def test_the_class_does_not_hang_on_a_full_stop(llm, message, data):
    assert class_of(llm, data.draw(end_punctuation(message))) == class_of(llm, message)


@few_examples(8)
@given(message=MESSAGES, data=st.data())
def test_the_class_does_not_hang_on_where_the_message_stands(llm, message, data):
    """Sentences that have nothing to do with each other, in any order."""
    report = data.draw(sentence_order(f"I built it twice. The log says {message}. My chair is green."))
    assert class_of(llm, report) == class_of(llm, message)


@few_examples(8)
@given(values_of(SIGNATURE))
def test_every_signature_is_documented(llm, signature):
    call = f"{signature['name']}({', '.join(signature['parameters'])})"
    reply = llm.generate(f"document python\ndef {call} -> {signature['returns']}:", task="document")
    assert reply.text == f'"""{call} returns {signature["returns"]}."""'


@few_examples(8)
@given(values_of(PROGRAM), st.sampled_from(["", ":", ")"]))
def test_every_program_is_judged(llm, program, missing):
    """Right as it is, and wrong without a colon or a bracket."""
    name = program["variable"]
    code = f"{name} = {program['start']}\nif {name} == {program['limit']}:\n    {program['function']}({name})"
    verdict = llm.generate(f"validate python\n{code.replace(missing, '', 1)}", task="validate").text
    assert verdict.startswith("invalid: ") if missing else verdict == "valid"
