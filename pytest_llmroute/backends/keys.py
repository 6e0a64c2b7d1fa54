"""The message for a key that is not set."""

from __future__ import annotations

from pytest_llmroute.codes import Code
from pytest_llmroute.core.models import ModelCard
from pytest_llmroute.errors import UserError


def no_key(card: ModelCard, name: str) -> UserError:
    return UserError(
        f'no key for the model "{card.name}": {name} is not set',
        code=Code.BACKEND,
        means="on pull requests from forks, CI withholds secrets on purpose",
        fix=f"export {name}=…   (or a line in the .env file that env_file names)",
        instead="a strategy of local models, as --llm-strategy=balanced",
    )
