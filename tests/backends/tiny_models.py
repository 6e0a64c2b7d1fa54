"""Tiny models with random weights and a real tokenizer, trained here and saved as a hub's folder is.

They stand in for published models of the same architecture: what they write is noise, how they are asked is not.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

TEXTS = [
    "NameError: name 'x' is not defined",
    "main.c:2: error: expected ';' before '}' token",
    "undefined reference to `delay'",
    "int speed = 42; delay(20); fix c, analyze, validate, document",
    "Instruct: say hello\nOutput: hello\n<|user|>\nwho are you\n<|assistant|>\na model",
    "word word word: the quick brown fox jumps over the lazy dog 0123456789",
]
CONTEXT = 256


def byte_tokenizer(begin: str, end: str, *, more: tuple[str, ...] = (), template: str | None = None) -> Any:
    """Byte-level BPE, as GPT-2's and Llama 3's."""
    from tokenizers import ByteLevelBPETokenizer
    from transformers import PreTrainedTokenizerFast

    made = ByteLevelBPETokenizer()
    made.train_from_iterator(
        TEXTS, vocab_size=400, min_frequency=1, special_tokens=[*dict.fromkeys([begin, end]), *more]
    )
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=made._tokenizer, bos_token=begin, eos_token=end)
    if more:
        tokenizer.add_special_tokens({"additional_special_tokens": list(more)})
    tokenizer.chat_template = template
    return tokenizer


def piece_tokenizer() -> Any:
    """Unigram pieces with a mark for spaces, as T5's."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    made = Tokenizer(models.Unigram())
    made.pre_tokenizer = pre_tokenizers.Metaspace()
    made.decoder = decoders.Metaspace()
    marks = ["<pad>", "</s>", "<unk>"]
    trainer = trainers.UnigramTrainer(vocab_size=200, special_tokens=marks, unk_token="<unk>", show_progress=False)
    made.train_from_iterator(TEXTS, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=made, pad_token="<pad>", eos_token="</s>", unk_token="<unk>", model_max_length=CONTEXT
    )


def gpt2(folder: Path, **more: Any) -> Path:
    """DialoGPT's architecture, and its tokenizer's one mark for everything."""
    from transformers import GPT2Config, GPT2LMHeadModel

    mark = "<|endoftext|>"
    tokenizer = byte_tokenizer(mark, mark, **more)
    sizes = {"n_embd": 32, "n_layer": 2, "n_head": 2, "n_positions": CONTEXT, "initializer_range": 0.5}
    config = GPT2Config(vocab_size=len(tokenizer), **sizes, **_marks(tokenizer))
    return _saved(GPT2LMHeadModel, config, tokenizer, folder)


def t5(folder: Path) -> Path:
    """LaMini-Flan-T5's architecture."""
    from transformers import T5Config, T5ForConditionalGeneration

    tokenizer = piece_tokenizer()
    config = T5Config(
        vocab_size=len(tokenizer), d_model=32, d_kv=16, d_ff=64, num_layers=2, num_heads=2, decoder_start_token_id=0,
        pad_token_id=0, eos_token_id=1, feed_forward_proj="gated-gelu", initializer_factor=8.0,
    )  # fmt: skip
    return _saved(T5ForConditionalGeneration, config, tokenizer, folder)


def llama(folder: Path, *, begin: str = "<s>", end: str = "</s>", **more: Any) -> Path:
    """TinyLlama's architecture; with other marks and a template, Llama 3's."""
    from transformers import LlamaConfig, LlamaForCausalLM

    tokenizer = byte_tokenizer(begin, end, **more)
    config = LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2,
        max_position_embeddings=CONTEXT, initializer_range=0.5, **_marks(tokenizer),
    )  # fmt: skip
    return _saved(LlamaForCausalLM, config, tokenizer, folder)


def phi(folder: Path) -> Path:
    """phi-2's architecture."""
    from transformers import PhiConfig, PhiForCausalLM

    tokenizer = byte_tokenizer("<|endoftext|>", "<|endoftext|>")
    config = PhiConfig(
        vocab_size=len(tokenizer), hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2,
        max_position_embeddings=CONTEXT, initializer_range=0.5, **_marks(tokenizer),
    )  # fmt: skip
    return _saved(PhiForCausalLM, config, tokenizer, folder)


def cached(folder: Path, cache: Path, name: str, commit: str = "0123456789abcdef") -> Path:
    """The folder as the hub's cache holds a model of this name."""
    home = cache / f"models--{name.replace('/', '--')}"
    place = home / "snapshots" / commit
    place.mkdir(parents=True)
    for file in folder.iterdir():
        (place / file.name).symlink_to(file)
    (home / "refs").mkdir()
    (home / "refs" / "main").write_text(commit)
    return place


def lasting(folder: Path) -> Path:
    """The same model with an end mark that it can't write: its replies are as long as they may be."""
    for name in ("config.json", "generation_config.json"):
        path = folder / name
        data = json.loads(path.read_text())
        path.write_text(json.dumps({**data, "eos_token_id": 100_000}))
    return folder


def _marks(tokenizer: Any) -> dict[str, int]:
    return {"bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id}


def _saved(kind: Any, config: Any, tokenizer: Any, folder: Path) -> Path:
    import torch
    from transformers.utils import logging

    with torch.random.fork_rng():
        torch.manual_seed(7)
        model = kind(config)
    logging.disable_progress_bar()
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
