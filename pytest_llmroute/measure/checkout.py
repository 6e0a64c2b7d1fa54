"""The branch and commit that a run was made on, read from the environment of CI or from git's own files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

BRANCHES = ("GITHUB_HEAD_REF", "GITHUB_REF_NAME", "CI_COMMIT_REF_NAME")
COMMITS = ("GITHUB_SHA", "CI_COMMIT_SHA")
HEADS = "refs/heads/"


def checkout_facts(root: Path, env: Mapping[str, str]) -> dict[str, str]:
    """What is known of both; CI checks out a commit without a branch, so its variables come first."""
    branch, commit = _of_git(root)
    found = {"branch": _first(env, BRANCHES) or branch, "commit": _first(env, COMMITS) or commit}
    return {name: value for name, value in found.items() if value}


def _first(env: Mapping[str, str], names: tuple[str, ...]) -> str:
    return next((env[name] for name in names if env.get(name)), "")


def _of_git(root: Path) -> tuple[str, str]:
    folder = next((path / ".git" for path in (root, *root.parents) if (path / ".git").exists()), None)
    if folder is None:
        return "", ""
    if folder.is_file():  # a worktree or submodule: the file says where the folder is
        folder = (folder.parent / _text(folder).partition(":")[2].strip()).resolve()
    head = _text(folder / "HEAD")
    if not head.startswith("ref: "):
        return "", head
    reference = head.removeprefix("ref: ")
    shared = folder / _text(folder / "commondir") if (folder / "commondir").is_file() else folder
    return reference.removeprefix(HEADS), _text(shared / reference) or _packed(shared, reference)


def _packed(folder: Path, reference: str) -> str:
    lines = (line.split(" ", 1) for line in _text(folder / "packed-refs").splitlines())
    return next((commit for commit, *name in lines if name == [reference]), "")


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
