"""What is said before torch is imported, and where it is not installed: packages and files that are missing."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib import util
from pathlib import Path
from typing import Any

import pytest

from pytest_llmroute.backends.contract import Surroundings
from pytest_llmroute.backends.transformers_local.backend import TransformersModel
from pytest_llmroute.backends.transformers_local.fetch import fetch
from pytest_llmroute.backends.transformers_local.files import ModelFolder, find_folder, what_fits
from pytest_llmroute.backends.transformers_local.missing import missing
from pytest_llmroute.backends.transformers_local.trouble import cause_of
from pytest_llmroute.core.models import ModelCard
from pytest_llmroute.errors import Cause, ModelCallError

CARD = ModelCard("org/mini", "transformers")


@pytest.fixture
def around(tmp_path: Path) -> Surroundings:
    return Surroundings({"HF_HOME": str(tmp_path / "hf")}, cache_dir=str(tmp_path / "cache"))


def here(monkeypatch: pytest.MonkeyPatch, *packages: str) -> None:
    """As if of the optional packages these were installed."""
    optional = {"transformers", "torch", "accelerate", "bitsandbytes", "huggingface_hub"}
    real = util.find_spec

    def find(name: str, package: str | None = None) -> Any:
        if name in optional:
            return object() if name in packages else None
        return real(name, package)

    monkeypatch.setattr(util, "find_spec", find)


def in_cache(cache: Path, name: str, size: int, dtype: str = "float32") -> Path:
    """A folder of the cache that looks whole; its weights are a hole of this size."""
    home = cache / f"models--{name.replace('/', '--')}"
    folder = home / "snapshots" / "abc"
    folder.mkdir(parents=True)
    (home / "refs").mkdir()
    (home / "refs" / "main").write_text("abc")
    (folder / "config.json").write_text(json.dumps({"dtype": dtype}))
    (folder / "tokenizer.json").write_text("{}")
    with (folder / "model.safetensors").open("wb") as file:
        file.truncate(size)
    return folder


def test_without_the_extra_its_command_is_named(monkeypatch: pytest.MonkeyPatch, around: Surroundings) -> None:
    here(monkeypatch, "torch")
    error = missing(CARD, around)
    assert error is not None
    assert error.what == 'model "org/mini" needs the package transformers'
    assert (error.fix, error.means) == ("pip install 'pytest-llmroute[transformers]'", "")
    with pytest.raises(ModelCallError, match=r"pytest-llmroute\[transformers\]"):
        TransformersModel(CARD, around)


def test_without_both_both_are_named(monkeypatch: pytest.MonkeyPatch, around: Surroundings) -> None:
    here(monkeypatch)
    error = missing(CARD, around)
    assert error is not None
    assert "pytest-llmroute[transformers]" in error.fix
    assert error.means.startswith("torch is missing too: without a GPU, pip install torch from the CPU index")


def test_without_torch_the_way_to_its_small_build_is_told(
    monkeypatch: pytest.MonkeyPatch, around: Surroundings
) -> None:
    here(monkeypatch, "transformers")
    error = missing(CARD, around)
    assert error is not None
    assert error.fix == "pip install torch"
    assert "the CPU index that pytorch.org/get-started names" in error.means


def test_packed_weights_need_two_packages_more(monkeypatch: pytest.MonkeyPatch, around: Surroundings) -> None:
    here(monkeypatch, "transformers", "torch", "accelerate")
    error = missing(ModelCard("org/mini", "transformers", quantization="4bit"), around)
    assert error is not None
    assert "needs the package bitsandbytes" in error.what
    assert "pip install accelerate bitsandbytes" in error.fix


def test_a_model_that_is_not_there_comes_with_the_command_that_gets_it(
    monkeypatch: pytest.MonkeyPatch, around: Surroundings
) -> None:
    here(monkeypatch, "transformers", "torch")
    error = missing(CARD, around)
    assert error is not None
    assert error.fix == f"hf download org/mini --cache-dir {around.cache_dir}"
    assert error.what == f'model "org/mini": it is not in {around.cache_dir}'
    with pytest.raises(ModelCallError, match="hf download org/mini") as caught:
        find_folder(CARD, around)
    assert caught.value.cause is Cause.MISSING_MODEL


def test_a_download_without_the_extra_names_it(monkeypatch: pytest.MonkeyPatch, around: Surroundings) -> None:
    here(monkeypatch)
    with pytest.raises(ModelCallError, match=r"pip install 'pytest-llmroute\[transformers\]'"):
        fetch(CARD, around)


def test_a_model_is_found_in_either_cache_by_its_id(around: Surroundings, tmp_path: Path) -> None:
    own = in_cache(tmp_path / "hf" / "hub", "org/mini", 8)
    assert find_folder(CARD, around) == ModelFolder(own, "abc")
    first = in_cache(tmp_path / "cache", "org/mini", 8)
    assert find_folder(ModelCard("house", "transformers", id="org/mini"), around).path == first


@pytest.mark.parametrize("gone", ["config.json", "tokenizer.json", "model.safetensors"])
def test_half_a_download_is_told(around: Surroundings, tmp_path: Path, gone: str) -> None:
    (in_cache(tmp_path / "cache", "org/mini", 8) / gone).unlink()
    with pytest.raises(ModelCallError, match=r"lacks .*; hf download org/mini") as caught:
        find_folder(CARD, around)
    assert caught.value.cause is Cause.MISSING_MODEL


def test_a_part_of_the_weights_that_is_missing_is_named(around: Surroundings, tmp_path: Path) -> None:
    folder = in_cache(tmp_path / "cache", "org/mini", 8)
    (folder / "model.safetensors.index.json").write_text('{"weight_map": {"a": "model-2.safetensors"}}')
    (folder / "pytorch_model.bin.index.json").write_text('{"weight_map": {"a": "pytorch_model-9.bin"}}')
    with pytest.raises(ModelCallError, match=r"lacks model-2\.safetensors"):
        find_folder(CARD, around)


def test_a_path_that_leads_nowhere_is_told(around: Surroundings, tmp_path: Path) -> None:
    card = ModelCard("house", "transformers", path=str(tmp_path / "no"))
    with pytest.raises(ModelCallError, match="no is no folder"):
        find_folder(card, around)
    folder = in_cache(tmp_path, "a", 8)
    (folder / "config.json").write_text("{")
    with pytest.raises(ModelCallError, match=r"config.json can't be read") as caught:
        find_folder(ModelCard("house", "transformers", path=str(folder)), around)
    assert caught.value.cause is Cause.BACKEND


def test_what_would_fit_is_named(around: Surroundings, tmp_path: Path) -> None:
    found = ModelFolder(in_cache(tmp_path / "cache", "org/mini", 10_000_000_000))
    assert what_fits(CARD, around, found, "float32", 6 * 10**9) == 'dtype = "bfloat16" on its card would fit'
    assert "DialoGPT-small" in what_fits(CARD, around, found, "float32", 10**9)
    in_cache(tmp_path / "cache", "org/less", 300_000_000, "float16")
    told = what_fits(CARD, around, found, "float32", 10**9)
    assert told == "org/less, which is here, would fit (0.6 GB)"


@pytest.mark.parametrize(
    ("error", "cause", "told"),
    [
        (MemoryError(), Cause.OUT_OF_MEMORY, "in RAM"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), Cause.OUT_OF_MEMORY, "DialoGPT-small"),
        (RuntimeError("CUDA out of memory. Tried to allocate"), Cause.OUT_OF_MEMORY, 'device = "cpu"'),
        (RuntimeError("CUDA error: device-side assert triggered"), Cause.BACKEND, 'device = "cpu"'),
        (ImportError("Using `bitsandbytes` 4-bit quantization requires"), Cause.BACKEND, "pip install bitsandbytes"),
        (OSError("401 Client Error. Cannot access gated repo"), Cause.AUTH, "HF_TOKEN"),
        (ValueError("\n  first line\nsecond"), Cause.BACKEND, "ValueError: first line"),
    ],
)  # fmt: skip
def test_an_error_has_its_cause_and_what_to_do(error: Exception, cause: Cause, told: str) -> None:
    found, text = cause_of(error, CARD)
    assert (found, told in text) == (cause, True), text


def test_the_backend_is_there_without_importing_torch() -> None:
    script = (
        "import sys\n"
        "from pytest_llmroute.backends import llmroute_backends\n"
        "from pytest_llmroute.backends.contract import Surroundings\n"
        "from pytest_llmroute.core.models import ModelCard\n"
        "kinds = {kind.name: kind for kind in llmroute_backends(Surroundings())}\n"
        "kinds['transformers'].missing(ModelCard('org/mini', 'transformers'))\n"
        "print(sorted({'torch', 'transformers', 'huggingface_hub', 'tokenizers'} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
