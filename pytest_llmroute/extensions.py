"""The plugin manager of our own hooks: built-in parts, installed packages, and whatever pytest has loaded."""

from __future__ import annotations

import traceback
from collections.abc import Iterable
from importlib import import_module
from typing import Any

import pluggy

from pytest_llmroute import hookspecs
from pytest_llmroute.backends.contract import BackendType, Surroundings
from pytest_llmroute.codes import Code
from pytest_llmroute.core.models import ModelCard
from pytest_llmroute.core.replies import Call
from pytest_llmroute.core.templates import Template
from pytest_llmroute.errors import LLMRouteError, UserError, broken, guarded, nearest
from pytest_llmroute.routing.contract import Strategy

ENTRY_POINTS = "llmroute"
BUILTIN = ("pytest_llmroute.routing.strategies", "pytest_llmroute.backends", "pytest_llmroute.tasks.checks")


class _Manager(pluggy.PluginManager):
    """Takes any function named `llmroute_…` as a hook, so that a conftest.py needs no decorator."""

    def parse_hookimpl_opts(self, plugin: object, name: str) -> Any:
        if not name.startswith("llmroute_") or not callable(getattr(plugin, name, None)):
            return None
        return super().parse_hookimpl_opts(plugin, name) or {
            "wrapper": False,
            "hookwrapper": False,
            "optionalhook": False,
            "tryfirst": False,
            "trylast": False,
            "specname": None,
        }


class Extensions:
    """All parts that have a name, wherever they come from."""

    def __init__(self, around: Surroundings | None = None) -> None:
        self._given = {"around": around or Surroundings()}
        self._manager = _Manager(hookspecs.PROJECT)
        self._manager.add_hookspecs(hookspecs)
        self._cache: dict[str, dict[str, Any]] = {}
        for name in BUILTIN:
            self.register(import_module(name), name)
        self._manager.load_setuptools_entrypoints(ENTRY_POINTS)

    @property
    def hook(self) -> Any:
        return self._manager.hook

    def register(self, plugin: object, name: str | None = None) -> None:
        """Add a plugin; one without any hook of ours costs nothing and is left out."""
        hooks = [key for key in dir(plugin) if key.startswith("llmroute_")]
        if not hooks or self._manager.is_registered(plugin):
            return
        where = name or getattr(plugin, "__file__", None) or repr(plugin)
        known = [key for key in vars(hookspecs) if key.startswith("llmroute_")]
        for key in hooks:
            if key not in known and callable(getattr(plugin, key)):
                near = nearest(key, known)
                raise UserError(
                    f'{where}: no hook "{key}"' + (f' (did you mean "{near}"?)' if near else ""),
                    code=Code.HOOK,
                    means=f"known: {', '.join(known)}",
                )
        try:
            # By its file: every conftest.py is a module of the same name.
            self._manager.register(plugin, where)
        except pluggy.PluginValidationError as error:
            raise UserError(
                f"{where}: {error}", code=Code.HOOK, fix="see pytest_llmroute/hookspecs.py for the arguments"
            ) from None
        self._cache.clear()

    def strategies(self) -> dict[str, Strategy]:
        return self._named("llmroute_strategies")

    def backends(self) -> dict[str, BackendType]:
        return self._named("llmroute_backends")

    def models(self) -> dict[str, ModelCard]:
        return self._named("llmroute_models")

    def templates(self) -> dict[str, Template]:
        found = self._named("llmroute_templates")
        for name, item in found.items():
            if not isinstance(item, Template):
                raise UserError(
                    f'llmroute_templates gave "{name}" as {type(item).__name__}, not a Template', code=Code.HOOK
                )
        return found

    def checks(self) -> dict[str, Any]:
        return self._named("llmroute_checks")

    def scripted(self, call: Call) -> Any:
        """What `llmroute_scripted` answers; None where nobody does."""
        return self._first("llmroute_scripted", call=call)

    def classify(self, text: str, user: str | None) -> str | None:
        """The task type that `llmroute_classify` names; None where nobody does."""
        named: str | None = self._first("llmroute_classify", text=text, user=user)
        return named

    def _first(self, hook: str, **given: Any) -> Any:
        caller = getattr(self.hook, hook)
        try:
            return caller(**given)
        except LLMRouteError:
            raise
        except Exception as error:
            ran = {frame.f_code for frame, _ in traceback.walk_tb(error.__traceback__)}
            names = [
                one.plugin_name for one in caller.get_hookimpls() if getattr(one.function, "__code__", None) in ran
            ]
            raise broken(f"{', '.join(names)}: {hook}" if names else hook, error) from error

    def _named(self, hook: str) -> dict[str, Any]:
        if hook not in self._cache:
            self._cache[hook] = self._collect(hook)
        return self._cache[hook]

    def _parts(self, hook: str, implementation: pluggy.HookImpl) -> list[Any]:
        """What one implementation brings; it takes as many of the arguments as it names."""
        wanted = {name: self._given[name] for name in implementation.argnames}
        where = implementation.plugin_name
        return guarded(f"{where}: {hook}", lambda: _list(implementation.function(**wanted), where))

    def _collect(self, hook: str) -> dict[str, Any]:
        """Parts by name; the same name twice is a mistake that names both sides."""
        found: dict[str, tuple[Any, str]] = {}
        for implementation in getattr(self.hook, hook).get_hookimpls():
            for item in self._parts(hook, implementation):
                name = _name(item, hook, implementation.plugin_name)
                if name in found:
                    raise UserError(
                        f'"{name}" is registered twice by {hook}: in {found[name][1]}'
                        f" and in {implementation.plugin_name}",
                        code=Code.TWICE,
                        fix="give one of them another name",
                    )
                found[name] = (item, implementation.plugin_name)
        return {name: item for name, (item, _) in found.items()}


def _name(item: Any, hook: str, where: str) -> str:
    name = getattr(item, "name", None)
    if not isinstance(name, str) or not name:
        raise UserError(f"{where}: {hook} gave {type(item).__name__}, which has no name", code=Code.HOOK)
    return name


def _list(items: Any, where: str) -> list[Any]:
    if not isinstance(items, Iterable) or isinstance(items, str):
        raise UserError(f"{where}: a hook of ours must return a list, not {type(items).__name__}", code=Code.HOOK)
    return list(items)
