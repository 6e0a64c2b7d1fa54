"""`llmroute tasks prompt`: what a model would be sent for a task."""

from __future__ import annotations

import click

from pytest_llmroute.cli import output
from pytest_llmroute.cli.situation import found_by
from pytest_llmroute.cli.tasks import task_files
from pytest_llmroute.codes import Code
from pytest_llmroute.core.models import ModelCard
from pytest_llmroute.core.requests import Request
from pytest_llmroute.engine.setup import catalog_of, known_names, surroundings
from pytest_llmroute.errors import UnknownName, UserError, printable
from pytest_llmroute.extensions import Extensions
from pytest_llmroute.prompts.templates import messages_for
from pytest_llmroute.tasks.files import read_task_file
from pytest_llmroute.tasks.values import TaskCase

LONGEST = 100_000
NOBODY = ModelCard("", "")
"""A model without a template of its own."""


def prompt(ctx: click.Context, path: str, task_id: str, template: str | None, model: str | None) -> None:
    """Prints the messages; nobody is asked."""
    found = found_by(ctx)
    extensions = Extensions(surroundings(found.settings, found.env))
    catalog = catalog_of(found.project, extensions)
    tasks: dict[str, TaskCase] = {}
    for file in task_files(path, found.env):
        contents = read_task_file(
            file, checks=extensions.checks(), known=known_names(found.project, extensions), shown=str(file)
        )
        tasks |= {task.id: task for task in contents.tasks}
    if task_id not in tasks:
        raise UnknownName("task", task_id, tasks, where=path)
    task = tasks[task_id]
    card = NOBODY if model is None else catalog.model(model, "--model")
    used = catalog.template_of(template or task.template, task.task, card, has_parts=bool(task.parts))
    try:
        messages = messages_for(Request(task.messages, parts=task.parts), used, card)
    except UserError as error:
        raise UserError(
            f'{task.path}:{task.line}: task "{task.id}": {error.what}', code=Code.TEMPLATE, means=error.means,
            fix=error.fix, instead=error.instead,
        ) from None  # fmt: skip
    for message in messages:
        output.line(f"--- {message.role}")
        for line in message.content.split("\n"):
            output.line(printable(line, LONGEST))
    name = "no template: as it is written" if used is None else f"template {printable(used.name, 80)}"
    output.note(name)
