"""How sizes of memory are said."""

from __future__ import annotations


def gigabytes(size: int) -> str:
    return f"{size / 1e9:.1f} GB"
