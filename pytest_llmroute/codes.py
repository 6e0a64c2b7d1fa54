"""The table of error codes; `docs/errors.md` is made from it."""

from __future__ import annotations

from enum import Enum


class Code(Enum):
    """A number that stays, a title, and what to do."""

    def __init__(self, number: str, title: str, about: str) -> None:
        self.number, self.title, self.about = number, title, about

    OPTION = (
        "LLR001", "an option's value can't be used",
        "The text after an option, in its environment variable or in its ini key is not of the form that the option takes."
        " The message names the place and what is allowed.",
    )  # fmt: skip
    NAME = (
        "LLR002", "a name is not known",
        "Nothing is registered under this strategy, model, profile, phase, task, agent or role. The message lists the known"
        " names and the nearest one. Own names are declared in `llmroute.toml` or brought by a hook.",
    )  # fmt: skip
    CONFIG_FILE = (
        "LLR101", "the configuration file can't be read",
        "The file is missing, is not UTF-8, or is not TOML. `llmroute config path` tells which files are read.",
    )  # fmt: skip
    TWO_CONFIGS = (
        "LLR102", "two configurations in one project",
        "Both `llmroute.toml` and `[tool.llmroute]` in `pyproject.toml` are there. Keep one: two could contradict each"
        " other in silence.",
    )  # fmt: skip
    CONFIG_KEY = (
        "LLR103", "a key of the configuration is not known",
        "The message gives the file, the line, the key's path, what is allowed there and the nearest name."
        " `docs/configuration.md` lists all keys.",
    )  # fmt: skip
    CONFIG_VALUE = (
        "LLR104", "a value of the configuration can't be used",
        "The value has the wrong type or lies outside what is allowed there.",
    )  # fmt: skip
    CONFIG_REFERENCE = (
        "LLR105", "the configuration names something that is not there",
        "A role, model, strategy or task that another entry names does not exist, or entries extend each other in a circle."
        " Models that only a `conftest.py` brings are known to pytest, not to the command `llmroute`.",
    )  # fmt: skip
    USER_FILE = (
        "LLR106", "the user file holds more than machine facts",
        "The file in your home folder may hold `[machine]` only, so that a repository behaves the same for everybody.",
    )  # fmt: skip
    SECRET = (
        "LLR107", "a secret stands in a file",
        "Keys are given by the name of the environment variable that holds them (`api_key_env`), never by themselves."
        " Take the key out of the file and out of its history, and revoke it.",
    )  # fmt: skip
    ENV_FILE = (
        "LLR108", "the .env file can't be used",
        "It is read only because `env_file` asks for it. It holds lines `NAME=value`.",
    )  # fmt: skip
    MARKER = (
        "LLR201", "the marker llm has an argument it can't use",
        "The message names the test, the argument and what is allowed.",
    )  # fmt: skip
    PROMPT = (
        "LLR202", "a declared prompt can't be filled in",
        "The prompt of the marker, or the function that makes it, asks for something that the test has no parameter for.",
    )  # fmt: skip
    REPEATS = (
        "LLR203", "repeats that can't add up",
        "`min_pass` asks for more passes than there are tries, or stands beside `must_pass`.",
    )  # fmt: skip
    COLUMNS = (
        "LLR204", "two columns would have one name",
        "Test ids hold letters, digits and `._:+-` only; two names become the same there. Run them one after the other.",
    )  # fmt: skip
    CALL = (
        "LLR205", "a call has an argument it can't use",
        "`llm.generate` and its companions check messages and settings before anything is sent.",
    )  # fmt: skip
    BASELINE = (
        "LLR206", "the baseline can't be used",
        "The file that the gate compares with is missing though it was named, can't be read, or is not as"
        " `llmroute baseline save` writes it.",
    )  # fmt: skip
    REQUIREMENT = (
        "LLR207", "a requirement can't be read",
        "`--llm-require` is read before any call. The message names the part that is wrong, the nearest name and the grammar;"
        " `docs/requirements.md` has every metric.",
    )  # fmt: skip
    ADAPTIVE = (
        "LLR208", "adaptive repeats are not possible here",
        "`--llm-repeat=adaptive` asks the gate, between repeats, whether more of them could change its verdict. That needs a gate"
        " that is on, a baseline, and one process that sees all results; `docs/gate.md` tells why.",
    )  # fmt: skip
    VALUES = (
        "LLR209", "a strategy of hypothesis can't be made",
        "`pytest_llmroute.testing.strategies` was asked for something that it can't give: values of a JSON Schema with a keyword that"
        " is not supported, or that nothing fits; or an argument is wrong. `docs/properties.md` lists what is supported.",
    )  # fmt: skip
    TASK_FILE = (
        "LLR301", "a task file is broken",
        "Every mistake is listed with its line; pytest stops with exit status 2."
        " `--continue-on-collection-errors` runs the tasks that are in order.",
    )  # fmt: skip
    CHECK = (
        "LLR302", "a check broke",
        "A Python check raised something else than AssertionError, answered neither yes nor no, or can't be found. The case is"
        " an error, not a miss.",
    )  # fmt: skip
    DATA_SET = (
        "LLR303", "a data set can't be used",
        "`hf:NAME` names a data set in the cache of Hugging Face's own tools. It is not there, holds nothing that is"
        " recognised, or only files that need another package. Nothing is downloaded unasked.",
    )  # fmt: skip
    STRATEGY = (
        "LLR401", "the strategy has no model for this",
        "The strategy fails closed: as things are set up it has nobody to ask.",
    )  # fmt: skip
    BACKEND = (
        "LLR402", "a model's backend is not there",
        "The card names a way to reach the model that is not installed or not part of this version.",
    )  # fmt: skip
    LOCAL_OFF = (
        "LLR403", "local models are switched off",
        "`LOCAL_LLM_ENABLED` is false, and a local model was asked for by name.",
    )  # fmt: skip
    SCRIPT = (
        "LLR404", "a scripted answer is not of a known form",
        "A scripted answer is a text, a `ScriptedAnswer`, a mapping, a list by repeat, or None.",
    )  # fmt: skip
    TEMPLATE = (
        "LLR405", "a template can't be rendered",
        "Templates are strict: every `{name}` needs a value, and every value a `{name}`. `{{` and `}}` are braces. A name that nothing fills in is told"
        " when the configuration is read; a task without a part that its template can't do without, before any test.",
    )  # fmt: skip
    SERVER = (
        "LLR406", "a server can't be used",
        "Before any test each server that the selected tests need is asked once, within two seconds, what it has. This one did"
        " not answer, refused the key, or would hand the prompts on to another machine.",
    )  # fmt: skip
    MODEL_MISSING = (
        "LLR407", "a model is not installed",
        "The server answers, and does not have the model. Nothing is downloaded unasked: `llmroute pull NAME` does it.",
    )  # fmt: skip
    MEMORY = (
        "LLR408", "a model would not fit into memory",
        "What the model is expected to need is more than what is free and what unloading others would bring. The"
        " expectation is somebody's estimate, from the model's card; `ram_budget` in the configuration overrules it.",
    )  # fmt: skip
    OFFLINE = (
        "LLR409", "a model is not on this machine",
        "`--llm-offline` lets nothing but this machine's own addresses through.",
    )  # fmt: skip
    SANDBOX = (
        "LLR410", "model-written code can't be run here",
        "No sandbox withstood its own attack on this machine, or running without one was not said twice. The message names"
        " what each tier lacks and the command that helps; `docs/sandbox.md` has the tiers.",
    )  # fmt: skip
    BUDGET = (
        "LLR411", "a budget can't be held",
        "`--llm-budget` needs to know beforehand what a call may take: a price where dollars are limited, a limit of tokens for"
        " its reply, and under `-n` a place where all workers can keep the sum. The message says which of them is missing.",
    )  # fmt: skip
    HOOK = (
        "LLR501", "a hook of ours is not as it should be",
        "A `conftest.py`, plugin or package has a function `llmroute_…` that is misspelt, takes arguments that the hook does"
        " not have, returns something else than it should, or raises. The message names it and the line.",
    )  # fmt: skip
    TWICE = (
        "LLR502", "two parts have one name",
        "Two strategies, backends, models or checks are registered under one name. The message names both places.",
    )  # fmt: skip
    STORE = (
        "LLR601", "the store can't be used",
        "The database of runs can't be opened or written. Records stay in their journals and go into the store with the"
        " next run.",
    )  # fmt: skip
    REPORT = ("LLR602", "a file can't be written", "The run itself is complete and stored.")
    NO_RUN = (
        "LLR603", "no stored run to work on",
        "There is no store yet, it holds no run, or none of this name. `llmroute runs` lists them; exit status 3.",
    )  # fmt: skip
    RECORDING = (
        "LLR604", "a recording can't be used",
        "The file of a recorded call is broken, was changed, was written by a newer version, or can't be written. The message"
        " names it; `docs/replay.md` tells what stands in it.",
    )  # fmt: skip
    RESUME = (
        "LLR605", "a run can't be resumed",
        "It has nothing left to run, or a process of it still runs. The message says which; `docs/resume.md` has the rules.",
    )  # fmt: skip
    ENVIRONMENT = (
        "LLR701", "something configured can't be used here",
        "`llmroute doctor` lists what is here, what is missing and the command that fixes it; exit status 4.",
    )  # fmt: skip
    INTERNAL = (
        "LLR901", "a mistake of ours",
        "This should not happen. `llmroute --debug …` or `pytest --llm-debug` shows the traceback; please report it.",
    )  # fmt: skip
