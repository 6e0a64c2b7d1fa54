"""Which tier a machine has: the first one that withstands our own attack. What can't be had is refused, never faked."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from pytest_llmroute.codes import Code
from pytest_llmroute.config.options import TRUE
from pytest_llmroute.errors import UserError
from pytest_llmroute.sandbox import probe
from pytest_llmroute.sandbox.jail import Jail, Refused, Way, usable_cores
from pytest_llmroute.sandbox.pool import Pool
from pytest_llmroute.sandbox.verdict import Tier

CHOSEN, ALLOWED = "LLMROUTE_SANDBOX", "LLMROUTE_ALLOW_UNSAFE"
"""Variables of the options `sandbox` and `allow_unsafe`; both have to be set before solutions run without a jail."""
ABOUT: Mapping[Tier, str] = {
    "isolated": "namespaces, seccomp and limits",
    "restricted": "Landlock, seccomp and limits, no namespaces: the existence of paths can be seen, and no file can be"
    " written, not even a temporary one",
    "remote": "remote sandboxes without network, at Daytona",
    "unsafe-local": "no jail: model-written code can do all that you can",
}


def from_environment(env: Mapping[str, str] = os.environ) -> Wish:
    """What the environment asks for, where nobody else does."""
    return Wish(env.get(CHOSEN, "auto"), env.get(ALLOWED, "").lower() in TRUE)


@dataclass(frozen=True, slots=True)
class Wish:
    """What was asked for; `auto` is the best tier of this machine itself."""

    tier: str = "auto"
    unsafe: bool = False
    """Whether it was said a second time that solutions may run without a jail."""


def open_pool(wish: Wish) -> Pool:
    """Raises UserError where the tier can't be had."""
    if wish.tier == "unsafe-local":
        return _unsafe(wish)
    if wish.tier == "daytona":
        from pytest_llmroute.sandbox.daytona.opening import open_daytona

        return open_daytona()
    way = find_way(wish.tier)
    return Pool(partial(Jail, way), way, usable_cores())


def find_way(wanted: str = "auto") -> Way:
    """The best kind of jail that holds here, or the one that is wanted."""
    ways: tuple[Way, ...] = ("isolated", "restricted")
    reasons = []
    for way in ways:
        if wanted not in ("auto", way):
            continue
        reason = outcome(way)
        if not reason:
            return way
        reasons.append(f"{way}: {reason}")
    raise refusal(reasons)


def outcome(way: Way) -> str:
    """Why jails of this kind are not used here; empty where they hold."""
    if sys.platform != "linux":
        return "needs Linux"
    found = probe.remembered(way)
    if found is None:
        try:
            found = "; ".join(probe.withstands(way))
        except Refused as error:
            found = str(error)
        probe.remember(way, found)
    return found


def refusal(reasons: list[str]) -> UserError:
    return UserError(
        "model-written code can't be run here: no sandbox holds on this machine",
        code=Code.SANDBOX,
        means="\n  ".join(reasons),
        fix=_remedy(),
        instead="--llm-sandbox=daytona (remote, costs money), or --llm-sandbox=unsafe-local with"
        f" {ALLOWED}=1 (the code can then do all that you can)",
    )


def _remedy() -> str:
    if sys.platform != "linux":
        return "run it on Linux, or in a Linux container or virtual machine"
    if os.path.exists("/.dockerenv"):
        return "docker run --security-opt seccomp=unconfined …, or a kernel with Landlock (5.13 or newer)"
    if os.path.exists("/proc/sys/kernel/apparmor_restrict_unprivileged_userns"):
        return "sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0, or a kernel with Landlock"
    return "allow user namespaces (sysctl user.max_user_namespaces), or a kernel with Landlock (5.13 or newer)"


def _unsafe(wish: Wish) -> Pool:
    from pytest_llmroute.sandbox.local import UnsafeLocal

    if not wish.unsafe:
        raise UserError(
            "--llm-sandbox=unsafe-local was asked for once; it needs a second word",
            code=Code.SANDBOX,
            means="model-written code would run as you, with your files, your keys and your network",
            fix=f"{ALLOWED}=1 in the environment, or allow_unsafe = true in [machine] of llmroute.toml",
            instead="--llm-sandbox=auto",
        )
    return Pool(lambda _: UnsafeLocal(), "unsafe-local", usable_cores())
