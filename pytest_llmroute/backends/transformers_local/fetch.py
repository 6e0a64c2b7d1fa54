"""Downloads a model into the cache; nothing else in this backend reaches the network, and nobody calls it unasked."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from fnmatch import fnmatch
from importlib import util
from pathlib import Path
from typing import Any

from pytest_llmroute.backends.contract import Progress, Surroundings
from pytest_llmroute.backends.memory import gigabytes
from pytest_llmroute.backends.transformers_local import files
from pytest_llmroute.backends.transformers_local.missing import EXTRA
from pytest_llmroute.backends.transformers_local.trouble import LOGIN
from pytest_llmroute.core.models import ModelCard
from pytest_llmroute.errors import Cause, ModelCallError

BESIDE = ("*.json", "*.txt", "*.model", "*.jinja")
"""What is needed beside the weights: settings, and the tokenizer in any of its forms."""
SPARE = 200_000_000
"""Bytes of the disk that stay free."""


def fetch(card: ModelCard, around: Surroundings, progress: Progress | None = None) -> files.ModelFolder:
    """The folder of the downloaded model; what was there already is not downloaded again."""
    if card.path:
        raise _error(card, Cause.MISSING_MODEL, f"its card names a folder, {card.path}: there is nothing to download")
    if around.offline or around.env.get("HF_HUB_OFFLINE", "").upper() in ("1", "TRUE", "YES", "ON"):
        raise _error(card, Cause.MISSING_MODEL, "offline: the first download needs a connection")
    if util.find_spec("huggingface_hub") is None:
        raise _error(card, Cause.BACKEND, f"what downloads it is missing: {EXTRA}")
    from huggingface_hub import HfApi, hf_hub_download

    cache = next(files.caches(around))
    where = {"endpoint": around.env.get("HF_ENDPOINT") or None, "token": around.env.get("HF_TOKEN") or None}
    with _explained(card):
        info = HfApi(**where).model_info(files.hub_id(card), files_metadata=True)
        offered = {file.rfilename: file.size or 0 for file in info.siblings or ()}
        sizes = {name: offered[name] for name in wanted(list(offered))}
        counter = _Counter(sum(sizes.values()), progress)
        absent = {name: size for name, size in sizes.items() if not _here(cache, card, info.sha, name)}
        _check_disk(card, cache, sum(absent.values()))
        for name, size in sizes.items():
            if name in absent:
                counter.name = name
                hf_hub_download(
                    files.hub_id(card), name, revision=info.sha, cache_dir=cache, tqdm_class=counter.bar(), **where
                )
            counter.complete(name, size)
        refs = _home(cache, card) / "refs"
        refs.mkdir(parents=True, exist_ok=True)
        (refs / "main").write_text(info.sha, encoding="utf-8")
    return files.find_folder(card, around)


def wanted(names: list[str]) -> list[str]:
    """Of a repository's files those that are loaded: not the copies of the weights for other libraries."""
    kind = next((kind for kind in files.WEIGHTS if any(fnmatch(name, kind) for name in names)), files.WEIGHTS[0])
    return [name for name in names if "/" not in name and any(fnmatch(name, form) for form in (kind, *BESIDE))]


class _Counter:
    """Adds up what arrives, file by file."""

    def __init__(self, total: int, progress: Progress | None) -> None:
        self._total, self._progress = total, progress
        self._complete = self._part = 0
        self.name = ""

    def add(self, size: float) -> None:
        self._part += int(size)
        self._tell()

    def complete(self, name: str, size: int) -> None:
        self._complete, self._part, self.name = self._complete + size, 0, name
        self._tell()

    def _tell(self) -> None:
        if self._progress is not None:
            self._progress(self.name, min(self._complete + self._part, self._total), self._total)

    def bar(self) -> Any:
        """The hub's way to tell of progress: a kind of bar; this one shows nothing and counts."""
        from tqdm import tqdm

        add = self.add

        class Silent(tqdm):  # type: ignore[misc]
            def __init__(self, *args: Any, **more: Any) -> None:
                super().__init__(*args, **{**more, "disable": True})

            def update(self, n: float | None = 1) -> None:
                add(n or 0)

            def update_transfer(self, n: float) -> None:
                """Of what is on its way; counted where it is written."""

        return Silent


def _home(cache: Path, card: ModelCard) -> Path:
    return cache / f"models--{files.hub_id(card).replace('/', '--')}"


def _here(cache: Path, card: ModelCard, commit: str, name: str) -> bool:
    return (_home(cache, card) / "snapshots" / commit / name).exists()


def _check_disk(card: ModelCard, cache: Path, needed: int) -> None:
    """Says before the download what would end it in the middle."""
    cache.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(cache).free
    if needed + SPARE > free:
        text = f"{gigabytes(needed)} to download, {gigabytes(free)} are free in {cache}; free some space there"
        raise _error(card, Cause.MISSING_MODEL, f"{text}, or set MODEL_CACHE_DIR to another disk")


@contextmanager
def _explained(card: ModelCard) -> Iterator[None]:
    """What the hub answers instead of a file, with its cause."""
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError

    try:
        yield
    except ModelCallError:
        raise
    except GatedRepoError:
        raise _error(card, Cause.AUTH, f"the hub does not give it to everybody: {LOGIN}") from None
    except RepositoryNotFoundError:
        text = f"the hub has no {files.hub_id(card)}, or shows it to its members only: {LOGIN}"
        raise _error(card, Cause.MISSING_MODEL, text) from None
    except Exception as error:
        line = next(iter(str(error).splitlines()), "")[:200]
        text = f"the download failed ({type(error).__name__}: {line}); what has arrived is kept, the next try goes on"
        raise _error(card, Cause.REFUSED, text) from error


def _error(card: ModelCard, cause: Cause, text: str) -> ModelCallError:
    return ModelCallError(cause, text, model=card.name)
