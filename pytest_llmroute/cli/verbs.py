"""What can be typed: every verb with its options and help. The work is loaded when a verb is called.

Imported for `--help` and for completion, so it imports click and nothing that is not light.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

import click

from pytest_llmroute import __version__
from pytest_llmroute.config.options import OPTIONS
from pytest_llmroute.errors import nearest

SCHEMAS = ("config", "cards", "tasks", "baseline", "recording", "run", "exports")
OUTCOMES = ("passed", "missed", "failed", "error", "skipped", "interrupted")
SPLITS = ("prompt", "test", "validation", "train", "all")
SHELLS = ("bash", "zsh", "fish")

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, with the name of its schema.")


class Verbs(click.Group):
    """Names the nearest verb where one is misspelt."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        known = self.list_commands(ctx)
        if args and args[0] not in known and not args[0].startswith("-"):
            raise click.UsageError(_unknown(args[0], known), ctx)
        return super().resolve_command(ctx, args)

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)


def _unknown(name: str, known: list[str]) -> str:
    if name == "run":
        return 'no command "run": pytest is the runner. Try: pytest --llm-strategy=balanced'
    near = nearest(name, known)
    return f'no command "{name}"' + (f' (did you mean "{near}"?)' if near else "") + f"; known: {', '.join(known)}"


def _work(module: str, function: str, ctx: click.Context, **options: Any) -> None:
    getattr(import_module(f"pytest_llmroute.cli.{module}"), function)(ctx, **options)


def _names(section: str) -> Any:
    """Completes the names of a section of the configuration."""

    def names(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
        from pytest_llmroute.cli.complete import names_of

        return [name for name in names_of(section) if name.startswith(incomplete)]

    return names


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="llmroute")
@click.option("--debug", is_flag=True, help="Show the traceback behind a message.")
@click.option("-C", "--root", type=click.Path(), help="The project's folder, instead of looking upwards from here.")
@click.pass_context
def cli(ctx: click.Context, debug: bool, root: str | None) -> None:
    """Companion of pytest-llmroute: configuration, models, decisions and stored runs.

    \b
    Tests are run by pytest:
      pytest --llm-strategy=balanced,fast
      llmroute show last
    """
    ctx.obj = root


@cli.group(cls=Verbs)
def config() -> None:
    """What is configured, where it is from, whether it is right."""


@config.command("show")
@click.option("--origin", is_flag=True, help="Name the place that set each value.")
@click.option("--all", "everything", is_flag=True, help="Values that nobody set, too.")
@json_option
@click.pass_context
def config_show(ctx: click.Context, /, **options: Any) -> None:
    """Every value in force, as pytest would find it here.

    \b
    Examples:
      llmroute config show --origin
      LLM_STRATEGY=fast llmroute config show --origin --json
    """
    _work("config", "show", ctx, **options)


@config.command("validate")
@json_option
@click.pass_context
def config_validate(ctx: click.Context, /, **options: Any) -> None:
    """Check the files, the environment and every name in them; all mistakes at once.

    \b
    Examples:
      llmroute config validate
      llmroute -C sub/project config validate --json
    """
    _work("config", "validate", ctx, **options)


@config.command("path")
@json_option
@click.pass_context
def config_path(ctx: click.Context, /, **options: Any) -> None:
    """Which files are looked for, and which are read.

    \b
    Examples:
      llmroute config path
      llmroute config path --json
    """
    _work("config", "path", ctx, **options)


@config.command("schema")
@click.argument("name", type=click.Choice(SCHEMAS), default="config")
@click.option("-o", "--output", "target", type=click.Path(dir_okay=False), help="Write it to this file.")
@click.pass_context
def config_schema(ctx: click.Context, /, **options: Any) -> None:
    """Print a JSON Schema: config, cards, tasks, baseline, recording, run (--llm-json), exports (--json here).

    \b
    Examples:
      llmroute config schema -o llmroute.schema.json
      llmroute config schema tasks
    """
    _work("config", "schema", ctx, **options)


@config.command("reference")
@click.pass_context
def config_reference(ctx: click.Context) -> None:
    """Print every option and key with its meaning, as Markdown.

    \b
    Example:
      llmroute config reference > configuration.md
    """
    _work("config", "reference_page", ctx)


@cli.group(cls=Verbs)
def models() -> None:
    """Model cards: what is known of each, whether it fits here."""


@models.command("list")
@click.option("--profile", shell_complete=_names("profiles"), help="Only the models of this profile.")
@click.option("--family", help="Only this family: qwen, llama, gemma, …")
@click.option("--backend", help="Only this backend: ollama, anthropic, …")
@click.option("--ask", is_flag=True, help="Ask the servers which of these models they have.")
@json_option
@click.pass_context
def models_list(ctx: click.Context, /, **options: Any) -> None:
    """All models by name.

    \b
    Examples:
      llmroute models list --family qwen
      llmroute models list --profile ollama --json
    """
    _work("models", "list_models", ctx, **options)


@models.command("show")
@click.argument("name", shell_complete=_names("models"))
@json_option
@click.pass_context
def models_show(ctx: click.Context, /, **options: Any) -> None:
    """Everything that is known of one model, each figure with its source.

    \b
    Examples:
      llmroute models show qwen2.5-coder:14b
      llmroute models show claude --json
    """
    _work("models", "show", ctx, **options)


@cli.command()
@click.argument("names", nargs=-1, shell_complete=_names("models"))
@click.option("--profile", shell_complete=_names("profiles"), help="All local models of this profile.")
@click.option("--try", "try_", is_flag=True, help="Ask each of them something short.")
@click.option("--write", is_flag=True, help="Write the settings that use the first of them into .env.")
@click.pass_context
def pull(ctx: click.Context, /, **options: Any) -> None:
    """Fetch models onto this machine or its Ollama server; nothing is ever fetched unasked.

    \b
    Examples:
      llmroute pull gemma2:2b --try
      llmroute pull --profile ollama
      llmroute pull MBZUAI/LaMini-Flan-T5-783M --try --write
    """
    _work("pull", "pull", ctx, **options)


@cli.group(cls=Verbs)
def tasks() -> None:
    """Task files: whether they are in order, and what is asked."""


@tasks.command("check")
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
@json_option
@click.pass_context
def tasks_check(ctx: click.Context, /, **options: Any) -> None:
    """Run the reference of every task, which must pass, and the same with empty bodies, which must fail.

    PATH is a task file, a folder of them, or hf:NAME; no model is asked. Exit status 1 when a task is broken.

    \b
    Examples:
      llmroute tasks check tasks mbpp.jsonl
      llmroute tasks check hf:google-research-datasets/mbpp --json
    """
    _work("tasks", "check", ctx, **options)


@tasks.command("prompt")
@click.argument("path", metavar="PATH")
@click.argument("task_id", metavar="ID")
@click.option("--template", help="In this template: detailed, concise, …; else in the one that a run would use.")
@click.option("--model", shell_complete=_names("models"), help="As this model would get it.")
@click.pass_context
def tasks_prompt(ctx: click.Context, /, **options: Any) -> None:
    """Print what a model would be sent for the task ID of a task file; nobody is asked.

    \b
    Examples:
      llmroute tasks prompt mbpp.jsonl mbpp-601 --template=detailed
      llmroute tasks prompt tasks/fix.llm.yaml semicolon --model=pico
    """
    _work("prompt", "prompt", ctx, **options)


@cli.command()
@click.argument("prompt", default="")
@click.option("--strategy", shell_complete=_names("strategies"), help="Else what is configured, else balanced.")
@click.option("--profile", shell_complete=_names("profiles"), help="Else what is configured.")
@click.option("--model", shell_complete=_names("models"), help="As a test would that names its model.")
@click.option("--task", help="The kind of work: analyze, fix, validate, document, …")
@click.option("--phase", shell_complete=_names("phases"), help="planning, execution, …")
@click.option("--agent", shell_complete=_names("agents"), help="The agent that asks.")
@click.option("--user", help="The user that asks.")
@click.option("--tools", is_flag=True, help="As if tools were offered.")
@json_option
@click.pass_context
def explain(ctx: click.Context, /, **options: Any) -> None:
    """Which model would answer PROMPT, with which settings, and why; nobody is asked.

    \b
    Examples:
      llmroute explain --strategy balanced --task fix --phase execution
      llmroute explain --strategy hybrid "Summarize this mail: …"
    What a conftest.py brings is known to pytest only: pytest --llm-plan.
    """
    _work("explain", "explain", ctx, **options)


@cli.command()
@click.option("-n", "limit", type=click.IntRange(1, 10_000), default=20, show_default=True, help="How many.")
@json_option
@click.pass_context
def runs(ctx: click.Context, /, **options: Any) -> None:
    """The stored runs, newest first.

    \b
    Examples:
      llmroute runs
      llmroute runs -n 100 --json
    """
    _work("runs", "runs", ctx, **options)


@cli.command()
@click.argument("run", default="last")
@click.argument("case", default="")
@click.option("--outcome", type=click.Choice(OUTCOMES), help="Only cases that ended so.")
@click.option("--calls", is_flag=True, help="Each call of the cases: decision, prompt, reply.")
@click.option("-n", "limit", type=click.IntRange(1), default=50, show_default=True, help="At most this many cases.")
@json_option
@click.pass_context
def show(ctx: click.Context, /, **options: Any) -> None:
    """One run: its table and its cases. RUN is an id, the beginning of one, or `last`; CASE a part of a name.

    \b
    Examples:
      llmroute show last --outcome missed
      llmroute show last test_adds --calls
      llmroute show 20261121-0342 --json
    """
    _work("show", "show", ctx, **options)


def knob_options(command: Any) -> Any:
    """An option for each knob of the table that is a number or a choice, with its bounds."""
    for knob in reversed(OPTIONS):
        kind: Any = {"number": click.FloatRange(knob.least, knob.most), "choice": click.Choice(knob.choices)}.get(
            knob.kind
        )
        if knob.name.startswith("gate_") and kind is not None:
            flag = "--" + knob.name.removeprefix("gate_").replace("_", "-")
            command = click.option(flag, type=kind, help=knob.help[0].upper() + knob.help[1:] + ".")(command)
    return command


require_option = click.option(
    "--require", multiple=True, metavar="EXPR", help="What must hold, as 'success_rate>=0.9'; may be repeated."
)
verbose_option = click.option("-v", "--verbose", is_flag=True, help="Every case, not the first ones only.")
target_option = click.option("-f", "--file", "target", type=click.Path(dir_okay=False), help="Another baseline file.")
force_option = click.option("--force", is_flag=True, help="A part of the suite, or an interrupted run, too.")


@cli.command()
@click.argument("run", default="last")
@click.option("--against", "source", metavar="SOURCE", help="FILE, run:ID, run:last or branch:NAME; else the baseline.")
@require_option
@knob_options
@click.option("--github", is_flag=True, help="Job summary and annotations, as on GitHub they are anyway.")
@click.option("--summary", type=click.Path(dir_okay=False), help="Write the job summary to this file.")
@click.option("--comment", type=click.Path(dir_okay=False), help="Write the text of a sticky comment to this file.")
@verbose_option
@json_option
@click.pass_context
def gate(ctx: click.Context, /, **options: Any) -> None:
    """Judge a finished run against its baseline; no model is asked.

    RUN is an id, the beginning of one, `last`, or a file of --llm-json. Exit status 1 where the gate is red,
    3 where there is no such run.

    \b
    Examples:
      llmroute gate last
      llmroute gate merged.json --against llmroute-baseline.json --github
      llmroute gate 20261121-0342 --against branch:main --alpha 0.01 --require 'p95_seconds:+20%'
    """
    _work("gate", "gate", ctx, **options)


@cli.command()
@click.argument("runs", nargs=-1, required=True, metavar="RUN...")
@click.option("--base", metavar="COLUMN", help="Of one run: the column that the others are compared with.")
@require_option
@verbose_option
@json_option
@click.pass_context
def compare(ctx: click.Context, /, **options: Any) -> None:
    """Compare runs with the first of them, or the columns of one run, case by case.

    \b
    Examples:
      llmroute compare last --base balanced
      llmroute compare 20261120 20261121 -v
      llmroute compare before.json after.json --require 'success_rate:-5pp' --require 'tokens:+10%'
    """
    _work("compare", "compare", ctx, **options)


@cli.group(cls=Verbs)
def study() -> None:
    """Small models that try and a large one that rescues, against always asking the large one."""


export_option = click.option(
    "--export", "target", type=click.Path(file_okay=False), metavar="FOLDER",
    help="Write cases.csv, series.csv, plots.csv and summary.json into it.",
)  # fmt: skip


@study.command("mbpp")
@click.option("--small", required=True, shell_complete=_names("models"), help="The model that tries.")
@click.option("--large", required=True, shell_complete=_names("models"), help="The one that rescues, and the baseline.")
@click.option(
    "--strategy",
    default="branching",
    show_default=True,
    shell_complete=_names("strategies"),
    help="The ladder; several with commas.",
)
@click.option("--data", metavar="FILE", help="A file of MBPP's form, or hf:NAME; else MBPP in the Hugging Face cache.")
@click.option(
    "--split", type=click.Choice(SPLITS), default="test", show_default=True, help="By task_id, as its authors did."
)
@click.option("--limit", type=click.IntRange(1, 1000), metavar="N", help="The first N tasks only.")
@click.option(
    "--runs",
    "repeats",
    type=click.IntRange(1, 1000),
    default=1,
    show_default=True,
    metavar="K",
    help="Every task K times on both arms.",
)
@click.option("--resume", is_flag=True, help="Go on with the last one of these models that was cut short.")
@click.option("--print", "only_print", is_flag=True, help="Print the pytest command, and run nothing.")
@export_option
@json_option
@click.argument("more", nargs=-1, type=click.UNPROCESSED, metavar="[-- PYTEST-OPTIONS]")
@click.pass_context
def study_mbpp(ctx: click.Context, /, **options: Any) -> None:
    """Run both arms over MBPP's tasks, one call at a time, and tell what each solved and took.

    Options behind -- go to pytest: --llm-profile=ollama, --llm-timeout=600, --llm-concurrency=4. Nothing is downloaded.

    \b
    Examples:
      llmroute study mbpp --small tinyllama:1.1b --large codellama:13b -- --llm-profile=ollama
      llmroute study mbpp --small pico --large micro --limit 50 --runs 3 --export study
      llmroute study mbpp --small pico --large micro --resume
    """
    _work("study", "mbpp", ctx, **options)


@study.command("report")
@click.argument("run", required=False)
@export_option
@json_option
@click.pass_context
def study_report(ctx: click.Context, /, **options: Any) -> None:
    """Tell it again from the store; no model is asked. RUN is an id, `last` or a file; else the last study.

    \b
    Examples:
      llmroute study report
      llmroute study report 20261121-0342 --export study
    """
    _work("study", "report", ctx, **options)


@cli.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option("-o", "--output", "target", type=click.Path(dir_okay=False), help="FILE.json or FILE.db; else the store.")
@click.pass_context
def merge(ctx: click.Context, /, **options: Any) -> None:
    """Put the shards of a run together: files of --llm-json, journals or folders of journals.

    \b
    Examples:
      llmroute merge results-*.json -o merged.json
      llmroute merge shard-1.json shard-2.json
    """
    _work("merge", "merge", ctx, **options)


@cli.command()
@click.option("--unused", is_flag=True, help="Those that none of the last runs used.")
@click.option("--runs", type=click.IntRange(1), default=10, show_default=True, help="How many runs are the last ones.")
@click.option("--older-than", metavar="DAYS", help="Those that were recorded longer ago: 30d, 8w.")
@click.option("--dry-run", is_flag=True, help="Say what would go, and remove nothing.")
@click.pass_context
def prune(ctx: click.Context, /, **options: Any) -> None:
    """Remove recordings of --llm-replay; with both conditions, only what meets both.

    Runs that used no recording do not count. After runs of a part of the suite the rest looks unused.

    \b
    Examples:
      llmroute prune --unused --dry-run
      llmroute prune --unused --runs 3 --older-than 30d
    """
    _work("prune", "prune", ctx, **options)


@cli.group(cls=Verbs)
def baseline() -> None:
    """The file that the gate compares with."""


@baseline.command("save")
@click.argument("run", default="last")
@target_option
@force_option
@click.pass_context
def baseline_save(ctx: click.Context, /, **options: Any) -> None:
    """Write it from a finished run: an id, `last`, or a file of --llm-json.

    \b
    Examples:
      llmroute baseline save
      llmroute baseline save merged.json -f llmroute-baseline.json
    """
    _work("baseline", "save", ctx, **options)


@baseline.command("show")
@target_option
@json_option
@click.pass_context
def baseline_show(ctx: click.Context, /, **options: Any) -> None:
    """Its run, machine, models and columns.

    \b
    Examples:
      llmroute baseline show
      llmroute baseline show -f other.json --json
    """
    _work("baseline", "show", ctx, **options)


@baseline.command("diff")
@click.argument("run", default="last")
@target_option
@verbose_option
@click.pass_context
def baseline_diff(ctx: click.Context, /, **options: Any) -> None:
    """What saving a run would change: columns, cases, their passes, models, templates, routing.

    \b
    Examples:
      llmroute baseline diff
      llmroute baseline diff 20261121-0342
    """
    _work("baseline", "diff", ctx, **options)


@baseline.command("rename")
@click.argument("old")
@click.argument("new")
@click.option("--column", is_flag=True, help="OLD and NEW are columns.")
@target_option
@click.pass_context
def baseline_rename(ctx: click.Context, /, **options: Any) -> None:
    """Give a case, a file with all its cases, or a column another name, so that it goes on being compared.

    \b
    Examples:
      llmroute baseline rename tests/test_old.py tests/test_new.py
      llmroute baseline rename fast quick --column
    """
    _work("baseline", "rename", ctx, **options)


@cli.command()
@json_option
@click.pass_context
def init(ctx: click.Context, /, **options: Any) -> None:
    """Write a commented llmroute.toml and a sample test into this project; what is there is left as it is.

    \b
    Examples:
      llmroute init
      llmroute -C sub/project init
    """
    _work("init", "init", ctx, **options)


@cli.command()
@json_option
@click.pass_context
def doctor(ctx: click.Context, /, **options: Any) -> None:
    """What is here, what is missing, and the command that fixes it; exit status 4 when something is unusable.

    \b
    Examples:
      llmroute doctor
      llmroute doctor --json > report.json      (no secret is in it)
    """
    _work("doctor", "doctor", ctx, **options)


@cli.command()
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def completion(ctx: click.Context, /, **options: Any) -> None:
    """Print the script that completes names in your shell.

    \b
    Examples:
      llmroute completion bash >> ~/.bashrc
      llmroute completion fish > ~/.config/fish/completions/llmroute.fish
    """
    _work("completion", "completion", ctx, **options)
