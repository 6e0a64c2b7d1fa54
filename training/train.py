"""Trains one model: `python training/train.py pico [--threads 1] [--out build]`. Seeded; CPU only.

Writes the tokenizer, the weights and the learning curve. Prompts of the test sets never occur in training.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections.abc import Iterator
from pathlib import Path

import torch
from data import SEED, TASKS, Item, items, left_out
from model import CONTEXT, SHAPES, Llama
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from torch.nn import functional as F

PAD, BEGIN, END, OUT = range(4)
SPECIAL = ["<pad>", "<s>", "</s>", "<out>"]
BATCH = 2560
PARTS = 4
PROMPT_WEIGHT = 0.1
RATES = (0.005, 0.006)
"""Of Muon and of AdamW. With 0.02 and no weight decay `nano` hardly learned to copy: fix 3 % where this has 60 %."""


def tokenizer(folder: Path) -> Tokenizer:
    """Byte-level BPE, trained once on exercises of its own seed."""
    path = folder / "tokenizer.json"
    if path.exists():
        return Tokenizer.from_file(str(path))
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=1024,
        special_tokens=SPECIAL,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    source = items(SEED - 1)
    made.train_from_iterator(
        (f"{item.prompt}\n{item.answer}" for item, _ in zip(source, range(40_000), strict=False)), trainer
    )
    folder.mkdir(parents=True, exist_ok=True)
    made.save(str(path))
    return made


def sequence(tokens: Tokenizer, item: Item) -> tuple[list[int], int]:
    """The ids of prompt and answer, and where the answer begins."""
    prompt = [BEGIN, *tokens.encode(item.prompt).ids, OUT]
    return [*prompt, *tokens.encode(item.answer).ids, END], len(prompt)


def batches(tokens: Tokenizer, excluded: set[str]) -> Iterator[list[list[tuple[list[int], int]]]]:
    """For each step a few batches from different lengths: little padding inside each, and every task in each step.

    Steps of one length, and so of one task, pull the weights to and fro: Muon makes every step equally long.
    """
    rng = random.Random(SEED)
    source = items(SEED)
    while True:
        pool = [
            sequence(tokens, item) for item, _ in zip(source, range(8000), strict=False) if item.prompt not in excluded
        ]
        pool = sorted((entry for entry in pool if len(entry[0]) <= CONTEXT), key=lambda entry: len(entry[0]))
        quarter = len(pool) // PARTS
        parts = [list(_cut(pool[n * quarter : (n + 1) * quarter])) for n in range(PARTS)]
        for part in parts:
            rng.shuffle(part)
        # Long items make more batches than short ones: every step takes its share of each part.
        steps = sum(map(len, parts)) // PARTS
        for step in range(steps):
            yield [part[step * len(part) // steps] for part in parts]


def _cut(pool: list[tuple[list[int], int]]) -> Iterator[list[tuple[list[int], int]]]:
    current: list[tuple[list[int], int]] = []
    for entry in pool:
        if current and (-(-len(entry[0]) // 8) * 8) * (len(current) + 1) > BATCH // PARTS:
            yield current
            current = []
        current.append(entry)
    if current:
        yield current


def tensors(batch: list[tuple[list[int], int]]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Inputs, targets, and the weight of each target."""
    longest = -(-max(len(ids) for ids, _ in batch) // 8) * 8 + 1
    ids = torch.full((len(batch), longest), PAD)
    weight = torch.zeros(len(batch), longest)
    for row, (line, start) in enumerate(batch):
        ids[row, : len(line)] = torch.tensor(line)
        weight[row, : len(line)] = PROMPT_WEIGHT
        weight[row, start : len(line)] = 1.0
    return ids[:, :-1], ids[:, 1:], weight[:, 1:]


def accuracy(model: Llama, tokens: Tokenizer, tests: list[Item]) -> dict[str, float]:
    """The share of items by task whose whole answer (of validate: the verdict) is what the model would greedily give."""
    right: dict[str, list[bool]] = {task: [] for task in TASKS}
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        for item in tests:
            ids, start = sequence(tokens, item)
            best = model(torch.tensor([ids[:-1]]))[0].argmax(-1)[start - 1 :]
            wanted = torch.tensor(ids[start:])
            upto = 1 if item.task == "validate" else len(wanted)
            right[item.task].append(bool((best[:upto] == wanted[:upto]).all()))
    return {task: sum(found) / len(found) for task, found in right.items() if found}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", choices=list(SHAPES))
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("build"))
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(SEED)
    shape = SHAPES[options.model]
    tokens = tokenizer(options.out)
    held_out, unseen = left_out()
    excluded = {item.prompt for item in held_out} | {item.prompt for item in unseen}
    probe = held_out[::3], [item for item in unseen[::2] if item.task in ("fix", "document")]
    model = Llama(shape)
    matrices = [p for block in model.blocks for p in block.parameters() if p.ndim == 2]
    others = [p for p in model.parameters() if all(p is not m for m in matrices)]
    optimizers = [
        torch.optim.Muon(matrices, lr=RATES[0], weight_decay=0.1),
        torch.optim.AdamW(others, lr=RATES[1], weight_decay=0.0),
    ]
    curve = (options.out / f"{shape.name}.curve.jsonl").open("w", encoding="utf-8")
    seen, step, started, mean, last = 0, 0, time.process_time(), 0.0, 0
    for step_batches in batches(tokens, excluded):
        fraction = seen / shape.tokens
        if fraction >= 1:
            break
        scale = min(1.0, (step + 1) / 50) * min(1.0, (1 - fraction) / 0.4 + 0.01)
        for optimizer, rate in zip(optimizers, RATES, strict=True):
            optimizer.param_groups[0]["lr"] = rate * scale
        prepared = [tensors(part) for part in step_batches]
        total = sum(float(weight.sum()) for _, _, weight in prepared)
        whole = 0.0
        for inputs, targets, weight in prepared:
            with torch.autocast("cpu", torch.bfloat16):
                logits = model(inputs)
            losses = F.cross_entropy(logits.float().flatten(0, 1), targets.flatten(), reduction="none")
            loss = (losses * weight.flatten()).sum() / total
            loss.backward()
            whole += loss.item()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        seen += sum(len(ids) for part in step_batches for ids, _ in part)
        step += 1
        mean = 0.98 * mean + 0.02 * whole if step > 1 else whole
        if seen - last >= shape.tokens / 25:
            last = seen
            model.eval()
            row = {"tokens": seen, "cpu_s": round(time.process_time() - started), "loss": round(mean, 4),
                   "held_out": accuracy(model, tokens, probe[0]), "unseen": accuracy(model, tokens, probe[1])}  # fmt: skip
            model.train()
            curve.write(json.dumps(row) + "\n")
            curve.flush()
            print(row, flush=True)
            torch.save(model.state_dict(), options.out / f"{shape.name}.pt")
    torch.save(model.state_dict(), options.out / f"{shape.name}.pt")
    final = {"held_out": accuracy(model, tokens, held_out), "unseen": accuracy(model, tokens, unseen),
             "cpu_s": round(time.process_time() - started), "tokens": seen, "steps": step}  # fmt: skip
    curve.write(json.dumps({"final": final}) + "\n")
    print("final", final)


if __name__ == "__main__":
    main()
