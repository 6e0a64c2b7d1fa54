"""What keeps a model from being opened, said before any test and without importing torch."""

from __future__ import annotations

from importlib import util

from pytest_llmroute.backends.contract import Surroundings
from pytest_llmroute.backends.transformers_local.files import find_folder, get_it
from pytest_llmroute.codes import Code
from pytest_llmroute.core.models import ModelCard
from pytest_llmroute.errors import ModelCallError, UserError

EXTRA = "pip install 'pytest-llmroute[transformers]'"
TORCH = (
    "without a GPU, pip install torch from the CPU index that pytorch.org/get-started names:"
    " the usual build for Linux brings gigabytes of CUDA"
)
INSTEAD = "--llm-profile=embedded (small models of this package), or --llm-plan (asks nobody)"


def missing(card: ModelCard, around: Surroundings) -> UserError | None:
    """A package or the model's files; None where nothing is missing."""
    return missing_package(card) or _missing_files(card, around)


def missing_package(card: ModelCard) -> UserError | None:
    torch = util.find_spec("torch") is not None
    if util.find_spec("transformers") is None:
        return _error(card, "transformers", EXTRA, "" if torch else f"torch is missing too: {TORCH}")
    if not torch:
        return _error(card, "torch", "pip install torch", TORCH)
    if card.quantization != "none":
        for package in ("accelerate", "bitsandbytes"):
            if util.find_spec(package) is None:
                fix = f'pip install accelerate bitsandbytes, or quantization = "none" on the card of "{card.name}"'
                return _error(card, package, fix, f'its card says quantization = "{card.quantization}"')
    return None


def _missing_files(card: ModelCard, around: Surroundings) -> UserError | None:
    try:
        find_folder(card, around)
    except ModelCallError as error:
        fix = 'path = "…" on its card: a folder with the model\'s files' if card.path else get_it(card, around)
        what = error.text.removesuffix(f"; {get_it(card, around)}")
        return UserError(f'model "{card.name}": {what}', code=Code.BACKEND, fix=fix, instead=INSTEAD)
    return None


def _error(card: ModelCard, package: str, fix: str, means: str) -> UserError:
    what = f'model "{card.name}" needs the package {package}'
    return UserError(what, code=Code.BACKEND, means=means, fix=fix, instead=INSTEAD)
