"""agents: every agent has its own model, a smaller one behind it, and a canned text behind that."""

from __future__ import annotations

from pytest_llmroute.core.decisions import Rejected
from pytest_llmroute.core.requests import Sampling
from pytest_llmroute.routing.contract import Choice, Query

FALLBACK = "microsoft/DialoGPT-small"


class Agents:
    """Reads the profile's agent table; no agent named means its orchestrator."""

    name = "agents"
    about = "the profile's table of agents, with a fallback model and a canned text"

    def route(self, query: Query) -> Choice:
        agent = query.profile.agents[query.request.agent or "orchestrator"]
        roles = query.profile.roles
        model = roles.get(agent.model, agent.model)
        fallback = FALLBACK if query.card(model).backend == "transformers" else roles["tiny"]
        others = {a.name: roles.get(a.model, a.model) for a in query.profile.agents.values()}
        rejected = {
            name: Rejected(name, f"the model of {', '.join(a for a, m in others.items() if m == name)}")
            for name in others.values()
            if name != model
        }
        return Choice(
            model,
            f"agents: {agent.name} → {model}",
            chain=(fallback,) if fallback != model else (),
            canned=True,
            rejected=tuple(rejected.values()),
            sampling=Sampling(temperature=agent.temperature, max_tokens=agent.max_tokens),
        )
