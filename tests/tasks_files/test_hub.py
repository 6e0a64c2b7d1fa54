"""Data sets in the cache of Hugging Face's tools, by name."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from pytest_llmroute.config.hub import hub_cache
from pytest_llmroute.errors import UserError
from pytest_llmroute.tasks import parquet
from pytest_llmroute.tasks.hub import hub_files, shown

from .mbpp_rows import FILE, sanitized
from .test_mbpp import parquet as parquet_file

MBPP = "datasets--google-research-datasets--mbpp"


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """A cache as the hub's tools lay it out: snapshots of links to blobs."""
    cache = tmp_path / "hub"
    folder = cache / MBPP
    for place in ("blobs", "refs", "snapshots/abc/full", "snapshots/old"):
        (folder / place).mkdir(parents=True)
    (folder / "refs" / "main").write_text("abc")
    shutil.copy(FILE, folder / "blobs" / "1")
    (folder / "blobs" / "2").write_text(json.dumps(sanitized()))
    (folder / "snapshots" / "abc" / "full" / "test.jsonl").symlink_to(folder / "blobs" / "1")
    (folder / "snapshots" / "abc" / "sanitized-mbpp.json").symlink_to(folder / "blobs" / "2")
    (folder / "snapshots" / "abc" / "dataset_infos.json").write_text('{"mbpp": {}}')
    (cache / "models--google--gemma").mkdir()
    return cache


def names(spec: str, cache: Path) -> list[str]:
    root = cache / MBPP / "snapshots"
    return [path.relative_to(root).as_posix() for path in hub_files(spec, {"HF_HUB_CACHE": str(cache)})]


@pytest.mark.parametrize(
    ("spec", "files"),
    [
        ("hf:google-research-datasets/mbpp", ["abc/full/test.jsonl", "abc/sanitized-mbpp.json"]),
        ("hf:Google-Research-Datasets/MBPP/", ["abc/full/test.jsonl", "abc/sanitized-mbpp.json"]),
        ("hf:mbpp", ["abc/full/test.jsonl", "abc/sanitized-mbpp.json"]),
        ("hf:mbpp/full", ["abc/full/test.jsonl"]),
        ("hf:mbpp/full/te", ["abc/full/test.jsonl"]),
        ("hf:google-research-datasets/mbpp/sanitized", ["abc/sanitized-mbpp.json"]),
    ],
)
def test_a_name_stands_for_the_task_files_of_the_main_snapshot(cache: Path, spec: str, files: list[str]) -> None:
    assert names(spec, cache) == files


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ("hf:google-research-datasets/mbbp", '(did you mean "google-research-datasets/mbpp"?)'),
        ("hf:mbbp", "hf download OWNER/mbbp --repo-type dataset"),
        ("hf:google-research-datasets", "no data set"),
        ("hf:", "no data set"),
        ("hf:google/gemma", "no data set"),
        ("hf:mbpp/fill", "begins with fill; there are full/test.jsonl, sanitized-mbpp.json"),
        ("hf:squad", "could be a/squad or b/squad"),
        ("hf:a/squad", "none of its snapshots is whole"),
        ("hf:other/empty", "holds no file of a known format"),
    ],
)
def test_what_is_not_there_is_said_and_nothing_is_downloaded(cache: Path, spec: str, told: str) -> None:
    (cache / "datasets--a--squad").mkdir()
    (cache / "datasets--b--squad").mkdir()
    (cache / "datasets--other--empty" / "snapshots" / "1").mkdir(parents=True)
    with pytest.raises(UserError) as caught:
        names(spec, cache)
    assert told in str(caught.value)


def test_a_cache_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="nothing is downloaded unasked"):
        names("hf:mbpp", tmp_path / "none")


def test_parquet_counts_where_there_is_nothing_else_and_it_can_be_read(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = cache / MBPP / "snapshots" / "abc" / "full"
    parquet_file(folder)
    assert names("hf:mbpp/full", cache) == ["abc/full/test.jsonl"]
    (folder / "test.jsonl").unlink()
    monkeypatch.setattr(parquet, "can_be_read", lambda: True)
    assert names("hf:mbpp/full", cache) == ["abc/full/test.parquet"]
    monkeypatch.setattr(parquet, "can_be_read", lambda: False)
    with pytest.raises(UserError) as caught:
        names("hf:mbpp/full", cache)
    assert "google-research-datasets/mbpp/full/test.parquet and its like are parquet" in str(caught.value)
    assert "pip install pyarrow" in str(caught.value)


def test_a_file_of_a_snapshot_has_one_name_on_every_machine(cache: Path) -> None:
    (path, _) = hub_files("hf:mbpp", {"HF_HUB_CACHE": str(cache)})
    assert shown(path) == "google-research-datasets/mbpp/full/test.jsonl"
    assert shown(FILE) is None


@pytest.mark.parametrize(
    ("env", "cache"),
    [
        ({"HF_HUB_CACHE": "/a", "HF_HOME": "/b", "XDG_CACHE_HOME": "/c"}, Path("/a")),
        ({"HF_HOME": "/b", "XDG_CACHE_HOME": "/c"}, Path("/b/hub")),
        ({"XDG_CACHE_HOME": "/c"}, Path("/c/huggingface/hub")),
        ({"HF_HOME": ""}, Path("~/.cache/huggingface/hub").expanduser()),
    ],
)
def test_the_variables_of_the_hubs_own_tools_are_honoured(env: dict[str, str], cache: Path) -> None:
    assert hub_cache(env) == cache
