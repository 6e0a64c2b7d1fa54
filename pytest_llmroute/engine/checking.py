"""The check of a task, as a step of a plan."""

from __future__ import annotations

from functools import partial

from pytest_llmroute.core.outcomes import CheckResult
from pytest_llmroute.core.replies import Reply
from pytest_llmroute.core.steps import Plan, Work
from pytest_llmroute.tasks.values import TaskCase


def verdict(task: TaskCase, reply: Reply) -> Plan[CheckResult | Exception]:
    """What a task's check says of a reply, or what it raised."""
    from pytest_llmroute.tasks.checks import run_check

    try:
        result: CheckResult = yield Work(partial(run_check, task, reply.text), long=takes_long(task))
    except Exception as error:
        return error
    return result


def takes_long(task: TaskCase) -> bool:
    return bool(getattr(task.check, "long", False))
