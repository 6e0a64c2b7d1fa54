"""What memory there is for a model, and how sizes are said."""

from __future__ import annotations


def unused_memory() -> int:
    """Bytes that could be used now without swapping."""
    import psutil

    return int(psutil.virtual_memory().available)


def gigabytes(size: int) -> str:
    return f"{size / 1e9:.1f} GB"
