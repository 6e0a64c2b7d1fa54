"""Records what the trained weights answer greedily in PyTorch, for the test that holds the GGUF files against it.

`python training/golden.py --build build` writes `tests/backends/golden.json`; the test itself needs no PyTorch.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import torch
from data import HELD_OUT, TASKS, test_items
from model import SHAPES, Llama
from tokenizers import Tokenizer
from train import BEGIN, END, OUT

PROMPTS = 40
MOST = 120
"""Tokens of an answer: a model that has lost the thread may go on without end."""


def answer(model: Llama, tokens: Tokenizer, prompt: str) -> str:
    """The greedy reply in full precision."""
    ids = [BEGIN, *tokens.encode(prompt).ids, OUT]
    start = len(ids)
    with torch.no_grad():
        while len(ids) < start + MOST:
            best = int(model(torch.tensor([ids]))[0, -1].argmax())
            if best == END:
                break
            ids.append(best)
    return tokens.decode(ids[start:])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", type=Path, default=Path("build"))
    parser.add_argument("models", nargs="*", default=list(SHAPES))
    options = parser.parse_args()
    target = Path(__file__).parents[1] / "tests" / "backends" / "golden.json"
    golden = json.loads(target.read_text(encoding="utf-8")) if target.exists() else {}
    tokens = Tokenizer.from_file(str(options.build / "tokenizer.json"))
    prompts = [item.prompt for item in test_items(HELD_OUT, PROMPTS // len(TASKS))]
    for name in options.models:
        model = Llama(SHAPES[name])
        model.load_state_dict(torch.load(options.build / f"{name}.pt", weights_only=True))
        golden[name] = {prompt: answer(model, tokens, prompt) for prompt in prompts}
    target.write_text(json.dumps(golden, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
