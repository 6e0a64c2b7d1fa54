"""Which items a test becomes: columns, phases and repeats."""

from __future__ import annotations

import pytest

from .conftest import Run, ids

TEST = "def test_a(llm): assert llm.generate('x').text\n"


def collected(run: Run, *args: str) -> list[str]:
    return ids(run("--co", "-q", *args))


def test_without_options_there_is_one_column_called_balanced(suite: pytest.Pytester, run: Run) -> None:
    suite.makepyfile(test_it=TEST)
    assert collected(run) == ["test_it.py::test_a[balanced]"]


def test_strategies_and_models_are_columns_in_that_order(suite: pytest.Pytester, run: Run) -> None:
    suite.makepyfile(test_it=TEST)
    found = collected(run, "--llm-model=scripted-tiny", "--llm-strategy=fast,balanced")
    assert found == [f"test_it.py::test_a[{name}]" for name in ("fast", "balanced", "scripted-tiny")]


def test_a_model_on_the_command_line_beats_a_strategy_of_the_ini(suite: pytest.Pytester, run: Run) -> None:
    suite.makeini("[pytest]\nllm_strategy = fast\n")
    suite.makepyfile(test_it=TEST)
    assert collected(run, "--llm-model=scripted-tiny") == ["test_it.py::test_a[scripted-tiny]"]


def test_the_column_stands_first_in_the_id(suite: pytest.Pytester, run: Run) -> None:
    suite.makepyfile(
        test_it="""
        import pytest
        @pytest.mark.parametrize("n", [1, 2])
        def test_a(n, llm): pass
        """
    )
    found = collected(run, "--llm-strategy=fast,single", "--llm-phase=planning", "--llm-repeat=2")
    assert "test_it.py::test_a[fast-planning-rep2-1]" in found
    assert len(found) == 2 * 1 * 2 * 2


def test_an_undeclared_phase_is_multiplied_and_a_declared_one_is_kept_or_deselected(
    suite: pytest.Pytester, run: Run
) -> None:
    suite.makepyfile(
        test_it="""
        import pytest
        def test_free(llm): pass
        @pytest.mark.llm(phase="planning")
        def test_plans(llm): pass
        @pytest.mark.llm(phase="validation")
        def test_validates(llm): pass
        """
    )
    result = run("--co", "-q", "--llm-phase=planning,execution")
    assert ids(result) == [
        "test_it.py::test_free[balanced-planning]",
        "test_it.py::test_free[balanced-execution]",
        "test_it.py::test_plans[balanced]",
    ]
    result.stdout.fnmatch_lines(["*3/4 tests collected (1 deselected)*"])


def test_a_marker_that_names_its_model_gives_one_column_of_that_name(suite: pytest.Pytester, run: Run) -> None:
    suite.makepyfile(
        test_it="""
        import pytest
        @pytest.mark.llm(model="scripted-large")
        def test_a(llm): assert "scripted-large" in llm.generate("x").text
        @pytest.mark.llm(models=["scripted-tiny", "scripted-coder"])
        def test_b(llm): assert llm.column in llm.generate("x").text
        """
    )
    found = collected(run, "--llm-strategy=fast,balanced")
    assert found == [
        "test_it.py::test_a[scripted-large]",
        "test_it.py::test_b[scripted-tiny]",
        "test_it.py::test_b[scripted-coder]",
    ]
    run("--llm-strategy=fast,balanced").assert_outcomes(passed=3)


def test_an_id_has_a_repeat_only_when_there_are_several(suite: pytest.Pytester, run: Run) -> None:
    suite.makepyfile(test_it=TEST)
    assert collected(run, "--llm-repeat=1") == ["test_it.py::test_a[balanced]"]
    assert collected(run, "--llm-repeat=2") == [
        "test_it.py::test_a[balanced-rep1]",
        "test_it.py::test_a[balanced-rep2]",
    ]


def test_only_tests_whose_llm_is_ours_are_multiplied(suite: pytest.Pytester, run: Run) -> None:
    suite.makepyfile(
        test_ours="""
        import pytest
        @pytest.fixture
        def through(llm): return llm
        def test_through(through): assert through.generate("x").text
        def test_plain(): pass
        """,
        test_theirs="""
        import pytest
        @pytest.fixture
        def llm(): return "their own"
        @pytest.mark.llm("their marker", anything=1)
        def test_theirs(llm): assert llm == "their own"
        """,
    )
    result = run("--llm-strategy=fast,single", "-v")
    result.assert_outcomes(passed=4)
    result.stdout.fnmatch_lines(
        ["*test_through?fast? PASSED*", "*test_through?single? PASSED*", "*::test_theirs PASSED*"]
    )


def test_asking_for_the_fixture_while_running_gives_the_first_column(suite: pytest.Pytester, run: Run) -> None:
    suite.makepyfile(
        test_it="""
        def test_late(request):
            llm = request.getfixturevalue("llm")
            assert llm.column == "fast" and llm.generate("x").text
        """
    )
    result = run("--llm-strategy=fast,single")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["fast *1/1*"])


def test_a_parameter_may_be_used_by_the_prompt_alone(suite: pytest.Pytester, run: Run) -> None:
    suite.makepyfile(
        test_it="""
        import pytest
        @pytest.mark.parametrize("message, kind", [("abc", "b"), ("xyz", "y")])
        @pytest.mark.llm(prompt="name it: {message} as {{kind}} {not a name}")
        def test_text(llm_reply, kind):
            assert kind in llm_reply.text and "{kind} {not a name}" in llm_reply.text

        def ask(message):
            return [("system", "short"), ("user", message.upper())]

        @pytest.mark.parametrize("message, kind", [("abc", "B")])
        @pytest.mark.llm(prompt=ask)
        def test_callable(llm_reply, kind):
            assert kind in llm_reply.text
        """
    )
    run().assert_outcomes(passed=3)


def test_columns_that_would_share_an_id_are_refused(suite: pytest.Pytester, run: Run) -> None:
    suite.makepyfile(test_it=TEST)
    result = run("--llm-model=microsoft/DialoGPT-small,microsoft-DialoGPT-small")
    assert result.ret == 4
    result.stderr.fnmatch_lines(['*both be called "microsoft-DialoGPT-small"*'])


def test_each_model_is_opened_once_in_a_session(suite: pytest.Pytester, run: Run) -> None:
    suite.makeconftest(
        """
        from pytest_llmroute import BackendType, ModelCard, Reply

        class Counting:
            def __init__(self, card):
                self.card = card
                open("opened", "a").write(card.name + "\\n")
            def generate(self, call): return Reply("ok", self.card.name)
            def close(self): open("closed", "a").write(self.card.name + "\\n")

        def llmroute_backends(): return [BackendType("counting", Counting)]
        def llmroute_models(): return [ModelCard("one", "counting"), ModelCard("two", "counting")]
        """
    )
    suite.makepyfile(test_it="def test_a(llm): llm.generate('x')\ndef test_b(llm): llm.generate('x')\n")
    run("--llm-model=one,two", "--llm-repeat=3").assert_outcomes(passed=12)
    assert sorted((suite.path / "opened").read_text().split()) == ["one", "two"]
    assert sorted((suite.path / "closed").read_text().split()) == ["one", "two"]
