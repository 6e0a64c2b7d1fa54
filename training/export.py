"""Writes a trained model as GGUF: `python training/export.py pico --build build --to ../pytest_llmroute/models`."""

from __future__ import annotations

import argparse
import hashlib
import json
from pathlib import Path

import numpy as np
import torch
from gguf import GGMLQuantizationType, GGUFWriter, TokenType, quants
from model import CONTEXT, EPSILON, ROPE_BASE, SHAPES, Llama

TEMPLATE = "{{ messages[-1]['content'] | trim }}<out>"
KINDS = {"f32": GGMLQuantizationType.F32, "f16": GGMLQuantizationType.F16, "q8_0": GGMLQuantizationType.Q8_0}
CHOSEN = {"pico": "f32", "nano": "f32", "micro": "q8_0"}
"""The small ones are small anyway; q8_0 quarters the large one."""


def tensors(model: Llama) -> dict[str, np.ndarray]:
    """The weights by llama.cpp's names; its rotary pairs lie side by side, as ours do."""
    state = {name: value.detach().float().numpy() for name, value in model.state_dict().items()}
    found = {"token_embd.weight": state["embedding.weight"], "output_norm.weight": state["norm.weight"]}
    parts = {"attn_norm": "attn_norm", "ffn_norm": "ffn_norm", "q": "attn_q", "k": "attn_k", "v": "attn_v", "o": "attn_output",
             "gate": "ffn_gate", "up": "ffn_up", "down": "ffn_down"}  # fmt: skip
    for number in range(model.shape.layers):
        for ours, theirs in parts.items():
            found[f"blk.{number}.{theirs}.weight"] = state[f"blocks.{number}.{ours}.weight"]
    return found


def write(name: str, build: Path, target: Path, kind: str) -> None:
    shape = SHAPES[name]
    model = Llama(shape)
    model.load_state_dict(torch.load(build / f"{name}.pt", weights_only=True))
    tokenizer = json.loads((build / "tokenizer.json").read_text(encoding="utf-8"))["model"]
    tokens = sorted(tokenizer["vocab"], key=tokenizer["vocab"].get)
    writer = GGUFWriter(target, "llama")
    writer.add_name(f"pytest-llmroute {name}")
    writer.add_description("a toy model that exercises the harness; not an assistant")
    writer.add_license("Apache-2.0")
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(shape.width)
    writer.add_block_count(shape.layers)
    writer.add_feed_forward_length(shape.feed)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.heads)
    writer.add_rope_dimension_count(shape.width // shape.heads)
    writer.add_rope_freq_base(ROPE_BASE)
    writer.add_layer_norm_rms_eps(EPSILON)
    writer.add_vocab_size(shape.vocabulary)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens)
    writer.add_token_types([TokenType.CONTROL if number < 4 else TokenType.NORMAL for number in range(len(tokens))])
    writer.add_token_merges([" ".join(pair) if isinstance(pair, list) else pair for pair in tokenizer["merges"]])
    writer.add_pad_token_id(0)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_add_bos_token(True)
    writer.add_chat_template(TEMPLATE)
    for tensor, value in tensors(model).items():
        wanted = KINDS[kind] if value.ndim == 2 else GGMLQuantizationType.F32
        writer.add_tensor(tensor, quants.quantize(np.ascontiguousarray(value), wanted), raw_dtype=wanted)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="*", default=list(SHAPES))
    parser.add_argument("--build", type=Path, default=Path("build"))
    parser.add_argument("--to", type=Path, default=Path(__file__).parents[1] / "pytest_llmroute" / "models")
    options = parser.parse_args()
    options.to.mkdir(parents=True, exist_ok=True)
    manifest_path = options.to / "manifest.json"
    manifest = json.loads(manifest_path.read_text()) if manifest_path.exists() else {}
    for name in options.models:
        target = options.to / f"{name}.gguf"
        write(name, options.build, target, CHOSEN[name])
        data = target.read_bytes()
        manifest[name] = {
            "file": target.name,
            "sha256": hashlib.sha256(data).hexdigest(),
            "bytes": len(data),
            "type": CHOSEN[name],
        }
        print(name, len(data), manifest[name]["sha256"][:12])
    manifest_path.write_text(json.dumps({key: manifest[key] for key in sorted(manifest)}, indent=1) + "\n")


if __name__ == "__main__":
    main()
