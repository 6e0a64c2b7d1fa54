"""The faces by the names of the systems that people come from."""

from __future__ import annotations

import pytest

import pytest_llmroute as llmroute
from pytest_llmroute.errors import UnknownName, UserError


class TestModelSelector:
    """System E."""

    def test_the_makers_answer_by_their_strategies(self) -> None:
        assert llmroute.create_default_selector().get_model_for_task("document") == "llama3.2:3b"
        assert llmroute.create_quality_selector().get_model_for_task("analyze") == "gemma2:9b"
        assert llmroute.create_fast_selector().get_model_for_task("fix") == "gemma2:2b"
        assert llmroute.create_low_ram_selector().get_model_for_task("analyze") == "llama3.2:1b"

    def test_the_fallback_answers_for_a_task_that_the_table_lacks(self) -> None:
        assert llmroute.ModelSelector().get_model_for_task("paint") == "qwen2.5-coder:14b"
        assert llmroute.ModelSelector(fallback_model="mine").get_model_for_task("paint") == "mine"

    def test_the_mapping_can_be_changed_for_one_selector_only(self) -> None:
        one, other = llmroute.ModelSelector(), llmroute.ModelSelector()
        one.TASK_MODEL_MAPPING["balanced"]["fix"] = "my-model"
        assert one.get_model_for_task("fix") == "my-model"
        assert other.get_model_for_task("fix") == "qwen2.5-coder:14b"

    def test_the_override_is_read_at_each_call(self, monkeypatch: pytest.MonkeyPatch) -> None:
        selector = llmroute.ModelSelector("fast")
        monkeypatch.setenv("LLM_MODEL_OVERRIDE", "one-for-all")
        assert {selector.get_model_for_task(task) for task in ("fix", "paint")} == {"one-for-all"}
        monkeypatch.delenv("LLM_MODEL_OVERRIDE")
        assert selector.get_model_for_task("fix") == "gemma2:2b"

    def test_an_unknown_strategy_names_the_nearest(self) -> None:
        with pytest.raises(UnknownName, match=r'no strategy "fats" \(did you mean "fast"'):
            llmroute.ModelSelector("fats")

    def test_a_profile_can_be_chosen(self) -> None:
        assert llmroute.ModelSelector("fast", profile="embedded").get_model_for_task("fix") == "nano"


class TestRouter:
    """System C."""

    def test_the_default_strategy_is_claude_only(self) -> None:
        status = llmroute.LLMRouter().get_status()
        assert status.strategy == "claude_only"
        assert not status.claude.available
        assert not status.local.available
        assert "ANTHROPIC_API_KEY is not set" in status.claude.reason

    def test_environment_and_set_strategy_decide_at_run_time(self, monkeypatch: pytest.MonkeyPatch) -> None:
        router = llmroute.LLMRouter()
        monkeypatch.setenv("LLM_STRATEGY", "hybrid")
        monkeypatch.setenv("ANTHROPIC_API_KEY", "k" * 20)
        assert router.get_status().strategy == "hybrid"
        assert router.get_status().claude.available
        assert router.get_status().local.reason.startswith("local models are on")
        router.set_strategy("local_only")
        assert router.get_status().strategy == "local_only"
        with pytest.raises(UnknownName, match='did you mean "hybrid"'):
            router.set_strategy("hybird")

    def test_replies_say_that_no_model_was_called(self) -> None:
        router = llmroute.LLMRouter("hybrid")
        reply = router.generate([{"role": "user", "content": "Hello!"}], max_tokens=50, temperature=0.1)
        assert reply.scripted
        assert reply.content.startswith("scripted: no model was called")
        assert reply.model == "MBZUAI/LaMini-Flan-T5-783M"
        assert reply.processing_time >= 0
        assert not reply.tokens.exact
        assert reply.decision is not None
        assert reply.decision.settings.max_tokens == 50

    def test_hybrid_sends_simple_work_to_the_local_model_and_the_rest_to_claude(self) -> None:
        router = llmroute.LLMRouter("hybrid")
        assert router.explain("Hi there!").model == "MBZUAI/LaMini-Flan-T5-783M"
        assert router.explain("Write a function that adds two numbers").model == "claude-sonnet-5-5"
        assert router.explain("Hi there!", tools=[{"name": "search"}]).model == "claude-sonnet-5-5"

    def test_replies_can_be_counted_by_model(self) -> None:
        router = llmroute.LLMRouter("hybrid")
        for text in ("Hello!", "Good morning!", "Write a function that adds two numbers"):
            router.generate(text)
        assert router.usage() == {"MBZUAI/LaMini-Flan-T5-783M": 2, "claude-sonnet-5-5": 1}

    def test_rules_of_users_come_first(self) -> None:
        import re

        rule = llmroute.Rule("code_generation", "mine", re.compile("Hello"))
        router = llmroute.LLMRouter("hybrid", user_rules={"ops": [rule]})
        assert router.explain("Hello!", user="ops").model == "claude-sonnet-5-5"
        assert router.explain("Hello!").model == "MBZUAI/LaMini-Flan-T5-783M"

    def test_get_router_is_one_for_the_process(self) -> None:
        assert llmroute.get_router() is llmroute.get_router()

    def test_the_providers_tell_about_their_models(self, monkeypatch: pytest.MonkeyPatch) -> None:
        local, claude = llmroute.get_local_provider(), llmroute.get_claude_provider()
        assert local.get_model_info().size == "1.5 GB (expected)"
        assert "summarization" in local.get_model_info().capabilities
        assert claude.get_model_info().name == "claude-sonnet-5-5"
        assert claude.generate("x").model == "claude-sonnet-5-5"
        monkeypatch.setenv("LOCAL_MODEL_NAME", "phi-2")
        assert local.generate([("user", "x")]).model == "microsoft/phi-2"
        monkeypatch.setenv("LOCAL_LLM_ENABLED", "false")
        with pytest.raises(UserError, match="the local model is not enabled"):
            local.generate("x")

    def test_messages_come_from_texts_pairs_mappings_and_objects(self) -> None:
        class Turn:
            role, content = "assistant", "c"

        found = llmroute.to_llm_messages([("system", "a"), {"role": "user", "content": "b"}, Turn()])
        assert [(m.role, m.content) for m in found] == [("system", "a"), ("user", "b"), ("assistant", "c")]
        assert llmroute.to_llm_messages("x") == [llmroute.Message("user", "x")]
        with pytest.raises(UserError, match="a message needs a role"):
            llmroute.to_llm_messages([("robot", "x")])


class TestAgents:
    """System A."""

    def test_one_line_gives_the_agents_text(self) -> None:
        text = llmroute.generate_code_with_llm("fix it", "FixerAgent")
        assert text.startswith("scripted: no model was called")
        assert "microsoft/DialoGPT-medium" in text

    def test_the_reply_says_which_link_answered_and_with_which_settings(self, monkeypatch: pytest.MonkeyPatch) -> None:
        reply = llmroute.ask_agent("fix it", "fixer_agent", profile="production")
        assert (reply.model, reply.link) == ("microsoft/DialoGPT-large", "primary")
        monkeypatch.setenv("FIXER_AGENT_MODEL", "DialoGPT-small")
        assert llmroute.ask_agent("fix it", "fixer_agent").model == "microsoft/DialoGPT-small"

    def test_an_unknown_agent_names_the_nearest(self) -> None:
        with pytest.raises(UnknownName, match='did you mean "fixer_agent"'):
            llmroute.generate_code_with_llm("x", "fixr_agent")
