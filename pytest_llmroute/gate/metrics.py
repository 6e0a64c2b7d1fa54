"""What can be demanded of a run: the metrics, the units they are written in, and how each is made."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from statistics import fmean

from pytest_llmroute.core.stats import quantile
from pytest_llmroute.core.units import show_bytes, show_seconds, show_usd

Units = Mapping[str, Decimal]
"""Each unit's worth; the empty one is a bare number."""

ONE, PERCENT = Decimal(1), Decimal("0.01")


@dataclass(frozen=True, slots=True)
class Kind:
    """What a metric is counted in."""

    limits: Units
    """Of a floor or a ceiling."""
    allowances: Units
    """Of a comparison with the baseline; empty where there is none."""
    show: Callable[[float], str]


_SIZES = {unit: Decimal(size) for unit, size in (
    ("B", 1), ("KB", 10**3), ("MB", 10**6), ("GB", 10**9), ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30),
)}  # fmt: skip
_TIMES = {"s": ONE, "ms": Decimal("0.001")}
_SHARES = {"": ONE, "%": PERCENT}

RATE = Kind(_SHARES, {"pp": PERCENT}, "{:.1%}".format)
OF_K = Kind(_SHARES, {}, "{:.1%}".format)
TOKENS = Kind({"": ONE}, {"%": PERCENT, "": ONE}, "{:.1f}".format)
PART = Kind({"": ONE}, {}, "{:.1f}".format)
SECONDS = Kind({"": ONE, **_TIMES}, {"%": PERCENT, **_TIMES}, show_seconds)
BYTES = Kind(_SIZES, {"%": PERCENT, **_SIZES}, show_bytes)
USD = Kind({"": ONE, "$": ONE}, {"%": PERCENT, "": ONE, "$": ONE}, show_usd)


@dataclass(frozen=True, slots=True)
class Metric:
    """One figure of a run."""

    name: str
    kind: Kind
    field: str = ""
    """The same in `Try` and `CaseFigures`."""
    of: Callable[[Sequence[float]], float | None] = sum
    """Of the tries, and of the cases where it is compared with the baseline."""
    scored: bool = False
    """Only tries with an outcome: one that broke off early would look cheap."""
    each: bool = False
    """Whether it is so much a try, or a case."""
    missing: str = "no try has an outcome"


_ALL = (
    Metric("success_rate", RATE),
    Metric("pass@k", OF_K),
    Metric("pass^k", OF_K),
    Metric("tokens", TOKENS, "tokens", fmean, scored=True, each=True),
    Metric("prompt_tokens", PART, "prompt_tokens", fmean, scored=True, each=True),
    Metric("completion_tokens", PART, "completion_tokens", fmean, scored=True, each=True),
    Metric("median_seconds", SECONDS, "seconds", lambda values: quantile(values, 0.5), scored=True),
    Metric("p95_seconds", SECONDS, "seconds", lambda values: quantile(values, 0.95), scored=True),
    Metric("total_seconds", SECONDS, "seconds"),
    Metric("peak_ram", BYTES, "ram", max, missing="not measured"),
    Metric("server_ram", BYTES, "server_ram", max, missing="not measured"),
    Metric("cost", USD, "usd", missing="no price is known"),
)
METRICS: Mapping[str, Metric] = {metric.name: metric for metric in _ALL}
ALIASES: Mapping[str, str] = {"seconds": "median_seconds"}
