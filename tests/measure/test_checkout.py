"""Branch and commit, without git's own programs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pytest_llmroute.measure.checkout import checkout_facts

ONE, TWO = "1" * 40, "2" * 40


def repository(root: Path, head: str = "ref: refs/heads/main", **refs: str) -> Path:
    """A folder as git makes it, with loose references."""
    git = root / ".git"
    git.mkdir(parents=True)
    (git / "HEAD").write_text(f"{head}\n")
    for name, commit in refs.items():
        path = git / "refs" / "heads" / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{commit}\n")
    return root


def plain(root: Path) -> Path:
    return repository(root, main=ONE)


def nested(root: Path) -> Path:
    """The suite lies below the top."""
    below = repository(root, "ref: refs/heads/feature/x", feature__x=TWO) / "sub" / "suite"
    below.mkdir(parents=True)
    return below


def detached(root: Path) -> Path:
    return repository(root, TWO)


def packed(root: Path) -> Path:
    repository(root)
    (root / ".git" / "packed-refs").write_text(
        f"# pack-refs with: peeled fully-peeled sorted\n{TWO} refs/heads/maintenance\n{ONE} refs/heads/main\n^{TWO}\n"
    )
    return root


def unborn(root: Path) -> Path:
    """Before the first commit."""
    return repository(root)


def worktree(root: Path) -> Path:
    """Its `.git` is a file, its branch its own, its references those of the repository."""
    main = repository(root / "main", main=ONE, other=TWO) / ".git"
    own = main / "worktrees" / "wt"
    own.mkdir(parents=True)
    (own / "HEAD").write_text("ref: refs/heads/other\n")
    (own / "commondir").write_text("../..\n")
    place = root / "wt"
    place.mkdir()
    (place / ".git").write_text(f"gitdir: {own}\n")
    return place


def submodule(root: Path) -> Path:
    """Its `.git` is a file that names a folder by a relative path."""
    inside = root / "top" / ".git" / "modules" / "sub"
    repository(root / "made", main=TWO)
    inside.parent.mkdir(parents=True)
    (root / "made" / ".git").rename(inside)
    place = root / "top" / "sub"
    place.mkdir()
    (place / ".git").write_text("gitdir: ../.git/modules/sub\n")
    return place


def broken(root: Path) -> Path:
    (root / ".git").mkdir()
    return root


@pytest.mark.parametrize(
    ("make", "found"),
    [
        (plain, {"branch": "main", "commit": ONE}),
        (nested, {"branch": "feature/x", "commit": TWO}),
        (detached, {"commit": TWO}),
        (packed, {"branch": "main", "commit": ONE}),
        (unborn, {"branch": "main"}),
        (worktree, {"branch": "other", "commit": TWO}),
        (submodule, {"branch": "main", "commit": TWO}),
        (broken, {}),
    ],
)
def test_it_is_read_from_gits_own_files(tmp_path: Path, make: Callable[[Path], Path], found: dict[str, str]) -> None:
    assert checkout_facts(make(tmp_path), {}) == found


def test_no_repository_is_no_trouble(tmp_path: Path) -> None:
    assert not any((path / ".git").exists() for path in tmp_path.parents)
    assert checkout_facts(tmp_path, {}) == {}


@pytest.mark.parametrize(
    ("env", "branch", "commit"),
    [
        ({"GITHUB_REF_NAME": "main", "GITHUB_SHA": TWO}, "main", TWO),
        # Of a pull request: the branch it is made from, not "12/merge".
        ({"GITHUB_HEAD_REF": "topic", "GITHUB_REF_NAME": "12/merge", "GITHUB_SHA": TWO}, "topic", TWO),
        ({"GITHUB_HEAD_REF": "", "GITHUB_REF_NAME": "main"}, "main", ONE),
        ({"CI_COMMIT_REF_NAME": "topic", "CI_COMMIT_SHA": TWO}, "topic", TWO),
        ({"GITHUB_REF_NAME": ""}, None, ONE),
    ],
)
def test_ci_knows_better_than_a_detached_head(
    tmp_path: Path, env: dict[str, str], branch: str | None, commit: str
) -> None:
    found = checkout_facts(repository(tmp_path, ONE), env)
    assert (found.get("branch"), found["commit"]) == (branch, commit)
