"""How conversations are written down, mark by mark."""

from __future__ import annotations

import pytest

from pytest_llmroute.core.formats import FORMATS, find_format
from pytest_llmroute.core.requests import Message
from pytest_llmroute.errors import UnknownName

TALK = [Message("system", "Be {brief}."), Message("user", "Hi"), Message("assistant", "Yes?"), Message("user", "Why?")]
WRITTEN = {
    "chatml": "<|im_start|>system\nBe {brief}.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n"
    "<|im_start|>assistant\nYes?<|im_end|>\n<|im_start|>user\nWhy?<|im_end|>\n<|im_start|>assistant\n",
    "zephyr": "<|system|>\nBe {brief}.</s>\n<|user|>\nHi</s>\n"
    "<|assistant|>\nYes?</s>\n<|user|>\nWhy?</s>\n<|assistant|>\n",
    "llama2": "<s>[INST] <<SYS>>\nBe {brief}.\n<</SYS>>\n\nHi [/INST] Yes? </s><s>[INST] Why? [/INST]",
    "llama3": "<s><|start_header_id|>system<|end_header_id|>\n\nBe {brief}.<|eot_id|>"
    "<|start_header_id|>user<|end_header_id|>\n\nHi<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\nYes?<|eot_id|>"
    "<|start_header_id|>user<|end_header_id|>\n\nWhy?<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n",
    "llama4": "<s><|header_start|>system<|header_end|>\n\nBe {brief}.<|eot|>"
    "<|header_start|>user<|header_end|>\n\nHi<|eot|><|header_start|>assistant<|header_end|>\n\nYes?<|eot|>"
    "<|header_start|>user<|header_end|>\n\nWhy?<|eot|><|header_start|>assistant<|header_end|>\n\n",
    "gemma": "<s><start_of_turn>user\nBe {brief}.\n\nHi<end_of_turn>\n<start_of_turn>model\nYes?<end_of_turn>\n"
    "<start_of_turn>user\nWhy?<end_of_turn>\n<start_of_turn>model\n",
    "mistral": "<s>[INST] Be {brief}.\n\nHi [/INST] Yes?</s>[INST] Why? [/INST]",
    "phi": "Instruct: Be {brief}.\n\nHi\nOutput: Yes?\nInstruct: Why?\nOutput:",
    "dialogpt": "Be {brief}.\nHi</s>Yes?</s>Why?</s>",
    "t5": "Be {brief}.\nHi\nYes?\nWhy?</s>",
    "plain": "Be {brief}.\n\nHi\n\nYes?\n\nWhy?",
}


@pytest.mark.parametrize("name", FORMATS)
def test_a_conversation_is_written_as_its_format_says(name: str) -> None:
    assert find_format(name).write(TALK, "<s>", "</s>") == WRITTEN[name]


def test_the_text_of_a_message_stays_as_it_is() -> None:
    assert (
        find_format("zephyr").write([Message("user", "{end} ROLE")], "<s>", "</s>").startswith("<|user|>\n{end} ROLE<")
    )


def test_a_system_text_alone_is_asked_as_the_user() -> None:
    assert find_format("phi").write([Message("system", "Hi")]) == "Instruct: Hi\nOutput:"


def test_a_card_without_a_format_gets_the_bare_texts_and_a_wrong_one_is_an_error() -> None:
    assert find_format("").name == "plain"
    with pytest.raises(UnknownName, match='did you mean "chatml"'):
        find_format("chatlm")
