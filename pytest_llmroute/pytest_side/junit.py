"""What JUnit files are told besides each case's own properties."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pytest_llmroute.report.terminal import savings

if TYPE_CHECKING:
    from pytest_llmroute.gate.result import GateResult


def tell(config: pytest.Config, result: GateResult) -> None:
    """The verdict as a property of the suite: a green gate makes no report."""
    if (xml := _file(config)) is not None:
        xml.add_global_property("llm.gate", result.verdict)
        for one in result.columns:
            xml.add_global_property(f"llm.gate.{one.column}", one.verdict)
        if result.now.adaptive:
            xml.add_global_property("llm.adaptive", savings(result.now.looks))


def skip_misses(config: pytest.Config) -> None:
    """What fails nothing is no failure for readers of the file either. Such cases are known by our property."""
    if (xml := _file(config)) is None:
        return
    for reporter in xml.node_reporters_ordered:
        case = reporter.to_xml()
        if any((it.get("name"), it.get("value")) == ("llm.outcome", "missed") for it in case.iter("property")):
            for failure in case.findall("failure"):
                failure.tag = "skipped"
                xml.stats["failure"] -= 1
                xml.stats["skipped"] += 1


def _file(config: pytest.Config) -> Any:
    """What pytest's own plugin gathers for --junitxml; None where it does not."""
    key = getattr(config.pluginmanager.get_plugin("junitxml"), "xml_key", None)
    return None if key is None else config.stash.get(key, None)
