"""Strategies of hypothesis for tests that ask models: prompts, messages, perturbations, values of a JSON Schema.

The extra `hypothesis` brings what this needs. docs/properties.md shows how tests use it.
"""

from __future__ import annotations

try:
    import hypothesis as hypothesis
except ModuleNotFoundError:
    raise ModuleNotFoundError(
        "pytest_llmroute.testing.strategies needs hypothesis: pip install 'pytest-llmroute[hypothesis]'",
        name="hypothesis",
    ) from None

from pytest_llmroute.testing.strategies.asking import few_examples
from pytest_llmroute.testing.strategies.perturbing import (
    Perturbation,
    end_punctuation,
    letter_case,
    line_ends,
    margins,
    perturbed,
    sentence_order,
    spaces,
    unicode_form,
)
from pytest_llmroute.testing.strategies.texts import code, long_text, prompts, prose, unicode_text
from pytest_llmroute.testing.strategies.turns import messages
from pytest_llmroute.testing.strategies.values import values_of

__all__ = [
    "Perturbation",
    "code",
    "end_punctuation",
    "few_examples",
    "letter_case",
    "line_ends",
    "long_text",
    "margins",
    "messages",
    "perturbed",
    "prompts",
    "prose",
    "sentence_order",
    "spaces",
    "unicode_form",
    "unicode_text",
    "values_of",
]
