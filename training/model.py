"""A small Llama in PyTorch, as llama.cpp has it: rotary pairs side by side, tied embeddings, no biases."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

CONTEXT = 512
ROPE_BASE = 10_000.0
EPSILON = 1e-5


@dataclass(frozen=True)
class Shape:
    """The sizes of one model, and the tokens that it is trained on."""

    name: str
    width: int
    layers: int
    heads: int
    feed: int
    tokens: int
    vocabulary: int = 1024


SHAPES = {
    "pico": Shape("pico", 64, 1, 4, 128, 8_000_000),
    "nano": Shape("nano", 96, 2, 4, 256, 5_000_000),
    "micro": Shape("micro", 192, 6, 6, 512, 16_000_000),
}


class Norm(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        x = x.float()
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + EPSILON) * self.weight


class Block(nn.Module):
    def __init__(self, shape: Shape) -> None:
        super().__init__()
        width, self.heads = shape.width, shape.heads
        self.attn_norm, self.ffn_norm = Norm(width), Norm(width)
        self.q, self.k, self.v, self.o = (nn.Linear(width, width, bias=False) for _ in range(4))
        self.gate, self.up = (nn.Linear(width, shape.feed, bias=False) for _ in range(2))
        self.down = nn.Linear(shape.feed, width, bias=False)

    def forward(self, x: Tensor, turn: tuple[Tensor, Tensor]) -> Tensor:
        batch, length, width = x.shape
        h = self.attn_norm(x)
        q, k, v = (part(h).view(batch, length, self.heads, -1).transpose(1, 2) for part in (self.q, self.k, self.v))
        scores = rotate(q, turn) @ rotate(k, turn).transpose(-1, -2) * (width // self.heads) ** -0.5
        hidden = torch.ones(length, length, dtype=torch.bool).triu(1)  # on short lines faster than a fused kernel
        attended = scores.masked_fill(hidden, float("-inf")).softmax(-1).to(v.dtype) @ v
        x = x + self.o(attended.transpose(1, 2).reshape(batch, length, width))
        h = self.ffn_norm(x)
        return x + self.down(F.silu(self.gate(h)) * self.up(h))


def rotate(x: Tensor, turn: tuple[Tensor, Tensor]) -> Tensor:
    """Rotary embedding over neighbouring pairs."""
    cos, sin = turn
    even, odd = x[..., 0::2], x[..., 1::2]
    return torch.stack((even * cos - odd * sin, even * sin + odd * cos), -1).flatten(-2).to(x.dtype)


class Llama(nn.Module):
    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.embedding = nn.Embedding(shape.vocabulary, shape.width)
        self.blocks = nn.ModuleList(Block(shape) for _ in range(shape.layers))
        self.norm = Norm(shape.width)
        head = shape.width // shape.heads
        angles = torch.outer(torch.arange(CONTEXT), ROPE_BASE ** (-torch.arange(0, head, 2) / head))
        self.register_buffer("cos", angles.cos(), persistent=False)
        self.register_buffer("sin", angles.sin(), persistent=False)
        for module in self.modules():
            if isinstance(module, nn.Linear | nn.Embedding):
                nn.init.normal_(module.weight, std=0.02)

    def forward(self, tokens: Tensor) -> Tensor:
        length = tokens.shape[1]
        turn = (self.cos[:length], self.sin[:length])
        x = self.embedding(tokens)
        for block in self.blocks:
            x = block(x, turn)
        return F.linear(self.norm(x), self.embedding.weight)
