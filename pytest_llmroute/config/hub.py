"""Where Hugging Face's own tools keep what they have downloaded. Nothing here goes to the network."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path


def hub_cache(env: Mapping[str, str]) -> Path:
    home = env.get("HF_HOME") or f"{env.get('XDG_CACHE_HOME') or '~/.cache'}/huggingface"
    return Path(env.get("HF_HUB_CACHE") or f"{home}/hub").expanduser()


def snapshot(folder: Path) -> Path | None:
    """What `main` points to in the folder of a repository, else its only snapshot; its name is the commit."""
    try:
        commit = (folder / "refs" / "main").read_text(encoding="utf-8").strip()
    except OSError:
        known = [path.name for path in folder.glob("snapshots/*")]
        commit = known[0] if len(known) == 1 else ""
    path = folder / "snapshots" / commit
    return path if commit and path.is_dir() else None
