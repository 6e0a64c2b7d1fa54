"""Exercises for the shipped models, made from a seed: analyze, fix, validate and document, as prompt and answer.

Standard library only. Names come from a list of words, or are made up on the spot: a model that has only seen listed
words learns them by heart instead of learning to copy. `UNSEEN` words never occur in training.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass

SEED = 20261121
HELD_OUT, UNSEEN_NAMES = 1_000_000, 2_000_000
"""Seeds: of training, and of the test sets that training leaves out."""
TASKS = ("analyze", "fix", "validate", "document")
SHARES = {"analyze": 0.6, "fix": 3.0, "validate": 3.0, "document": 1.2}
"""How often each task comes in training."""
MADE_UP = 0.45
"""The share of names that are no words."""
WORDS = [
    "sensor",
    "motor",
    "relay",
    "button",
    "led",
    "pin",
    "value",
    "count",
    "total",
    "index",
    "buffer",
    "state",
    "mode",
    "timer",
    "delay",
    "pulse",
    "speed",
    "level",
    "temp",
    "humid",
    "light",
    "sound",
    "color",
    "red",
    "green",
    "blue",
    "left",
    "right",
    "front",
    "back",
    "start",
    "stop",
    "open",
    "close",
    "read",
    "write",
    "send",
    "recv",
    "load",
    "save",
    "init",
    "reset",
    "check",
    "update",
    "handle",
    "parse",
    "print",
    "draw",
    "move",
    "turn",
    "scan",
    "find",
    "sort",
    "copy",
    "swap",
    "fill",
    "clear",
    "lock",
    "unlock",
    "wait",
    "wake",
    "sleep",
    "ping",
    "pong",
    "host",
    "port",
    "addr",
    "name",
    "user",
    "pass",
    "token",
    "key",
    "item",
    "node",
    "list",
    "table",
    "row",
    "col",
    "cell",
    "page",
    "line",
    "word",
    "text",
    "data",
    "file",
    "path",
    "root",
    "dir",
    "size",
    "limit",
    "rate",
    "gain",
    "offset",
    "scale",
    "ratio",
    "sum",
    "avg",
    "min",
    "max",
    "low",
    "high",
    "first",
    "last",
    "next",
    "prev",
    "old",
    "new",
    "tmp",
    "res",
    "ret",
    "err",
    "flag",
    "bit",
    "byte",
    "frame",
    "packet",
    "queue",
    "stack",
    "heap",
    "pool",
    "cache",
    "slot",
    "lane",
    "zone",
    "area",
    "edge",
    "point",
    "dist",
    "angle",
    "width",
    "height",
    "depth",
    "weight",
    "mass",
    "force",
    "power",
    "volt",
    "amp",
    "ohm",
    "watt",
    "freq",
    "phase",
    "tone",
    "note",
    "beat",
    "step",
    "loop",
    "turns",
    "laps",
    "miles",
]
UNSEEN = [
    "valve",
    "boiler",
    "pump",
    "fan",
    "heater",
    "cooler",
    "gate",
    "door",
    "window",
    "lamp",
    "siren",
    "drone",
    "rover",
    "crane",
    "winch",
    "pedal",
    "wheel",
    "brake",
    "clutch",
    "piston",
    "rotor",
    "blade",
    "nozzle",
    "filter",
    "tank",
    "hose",
    "meter",
    "dial",
    "knob",
    "lever",
    "latch",
    "spring",
    "cable",
    "socket",
    "plug",
    "fuse",
]
ONSETS = [
    *"bcdfghjklmnprstvwz",
    *"bdgklmnprst",
    "br",
    "ch",
    "cl",
    "cr",
    "dr",
    "fl",
    "gl",
    "pl",
    "pr",
    "sh",
    "sp",
    "st",
    "tr",
    "wh",
]
VOWELS = [*"aeiou", *"aeiou", "ai", "ea", "ee", "oo", "ou"]
CODAS = [*"bdgklmnprst", "ch", "ck", "ll", "ng", "nt", "rm", "st"]


@dataclass(frozen=True, slots=True)
class Item:
    """One exercise."""

    task: str
    prompt: str
    answer: str
    kind: str
    """The class, defect or language: for tables of accuracy."""


class Names:
    """Where identifiers come from: listed words, made-up ones, or words that training never sees."""

    def __init__(self, rng: random.Random, *, unseen: bool = False) -> None:
        self._rng, self._unseen = rng, unseen

    def word(self) -> str:
        rng = self._rng
        if self._unseen:
            return rng.choice(UNSEEN) if rng.random() < 0.5 else rng.choice(WORDS)
        if rng.random() < MADE_UP:
            made = "".join(rng.choice(ONSETS) + rng.choice(VOWELS) for _ in range(rng.randint(1, 2)))
            made += rng.choice(CODAS) if rng.random() < 0.5 else ""
            return made if made not in UNSEEN else self.word()
        return rng.choice(WORDS)

    def name(self) -> str:
        first = self.word()
        return f"{first}_{self.word()}" if self._rng.random() < 0.25 else first

    def distinct(self, count: int) -> list[str]:
        found: list[str] = []
        while len(found) < count:
            if (name := self.name()) not in found:
                found.append(name)
        return found


# Analyze: a message, and its class

CLASSES = (
    "syntax", "undeclared_name", "missing_dependency", "type_mismatch", "link_error", "memory_fault", "watchdog_timeout",
    "io_network",
)  # fmt: skip
MESSAGES: dict[str, tuple[str, ...]] = {
    "syntax": (
        "{f}.c:{l}:{k}: error: expected ';' before '{n}'", "{f}.c:{l}: error: expected ')' before '{n}'",
        "{f}.c:{l}: error: expected declaration or statement at end of input", "SyntaxError: invalid syntax ({f}.py, line {l})",
        "SyntaxError: unterminated string literal (detected at line {l})", "IndentationError: unexpected indent at line {l}",
        "SyntaxError: '(' was never closed in {f}.py", "bash: {f}.sh: line {l}: syntax error near unexpected token `{n}'",
        "{f}.ino:{l}: error: stray '\\' in program",
    ),
    "undeclared_name": (
        "{f}.c:{l}: error: '{n}' undeclared (first use in this function)", "NameError: name '{n}' is not defined",
        "{f}.cpp:{l}: error: '{n}' was not declared in this scope", "error: use of undeclared identifier '{n}'",
        "UnboundLocalError: local variable '{n}' referenced before assignment", "bash: {n}: unbound variable",
        "AttributeError: module '{f}' has no attribute '{n}'",
    ),
    "missing_dependency": (
        "fatal error: {n}.h: No such file or directory", "ModuleNotFoundError: No module named '{n}'",
        "ImportError: cannot import name '{n}' from '{f}'", "bash: {n}: command not found",
        "CMake Error: could not find package {n}", "pip: no matching distribution found for {n}",
        "component '{n}' required by '{f}' is not installed",
    ),
    "type_mismatch": (
        "{f}.c:{l}: error: incompatible types when assigning to type 'int' from type 'char *'",
        "TypeError: unsupported operand type(s) for +: 'int' and 'str'", "error: invalid conversion from 'const char*' to 'int' in {n}",
        "TypeError: {n}() takes {k} positional arguments but {l} were given",
        "{f}.c:{l}: warning: passing argument {k} of '{n}' makes pointer from integer without a cast",
        "error: cannot convert '{n}' to 'float' in initialization", "ValueError: could not convert string to float: '{n}'",
    ),
    "link_error": (
        "undefined reference to `{n}'", "ld: cannot find -l{n}", "collect2: error: ld returned {k} exit status in {f}",
        "multiple definition of `{n}'; {f}.o: first defined here", "{f}.o: in function `main': undefined reference to `{n}'",
        "ld: symbol(s) not found for architecture {n}", "region `iram0_0_seg' overflowed by {l} bytes in {f}",
    ),
    "memory_fault": (
        "Segmentation fault (core dumped) in {n}", "Guru Meditation Error: Core {k} panic'ed (LoadProhibited) in {n}",
        "malloc(): corrupted top size in {n}", "MemoryError: unable to allocate {l} MB for {n}",
        "Guru Meditation Error: Core {k} panic'ed (StoreProhibited)", "stack overflow in task {n} has been detected",
        "double free or corruption in {f}", "CORRUPT HEAP: bad head at {n}",
    ),
    "watchdog_timeout": (
        "Task watchdog got triggered: {n} did not reset it in time", "rst:0x{k} (TG0WDT_SYS_RESET) in {n}",
        "E ({l}) task_wdt: - {n} (CPU {k})", "Interrupt wdt timeout on CPU{k}", "watchdog: BUG: soft lockup - CPU#{k} stuck in {n}",
        "TimeoutExpired: {n} timed out after {l} seconds", "rst:0x{k} (RTCWDT_RTC_RESET) while running {n}",
    ),
    "io_network": (
        "ConnectionRefusedError: [Errno 111] connection refused by {n}:{l}", "E ({l}) wifi: {n} disconnected, reason {k}",
        "OSError: [Errno 28] No space left on device: {n}", "ssh: connect to host {n} port {l}: Connection timed out",
        "FileNotFoundError: [Errno 2] No such file or directory: '{n}.txt'", "curl: ({k}) Could not resolve host: {n}",
        "mqtt: broker {n} unreachable", "PermissionError: [Errno 13] Permission denied: '{n}'",
    ),
}  # fmt: skip


def analyze(rng: random.Random, names: Names) -> Item:
    kind = rng.choice(CLASSES)
    text = rng.choice(MESSAGES[kind]).format(f=names.word(), n=names.name(), l=rng.randint(2, 99), k=rng.randint(1, 9))
    return Item("analyze", f"analyze\n{text}", kind, kind)


# Programs: lines that belong together, so that a defect is one

HEADERS = {
    'printf("{w} %d", {v});': "<stdio.h>",
    "{v} = strlen({s});": "<string.h>",
    "{v} = abs({v});": "<stdlib.h>",
    "gpio_set_level({v}, {n});": '"driver/gpio.h"',
    "vTaskDelay({n});": '"freertos/task.h"',
    'ESP_LOGI("{w}", "%d", {v});': '"esp_log.h"',
}
C_LINES = (
    "{f}({v}, {n});", "{v} = {f}({n});", "{v} = {v} + {n};", "if ({v} == {n}) {{ {f}({v}); }}",
    "while ({v} > {n}) {{ {v} = {v} - {m}; }}", "for (int i = 0; i < {n}; i++) {{ {f}(i); }}", "digitalWrite({v}, HIGH);",
    "delay({n});", 'Serial.println("{w}");', "{f}(&{v});", "{v} += {n};", "analogWrite({v}, {n});",
)  # fmt: skip
MODULES = {
    "{v} = math.sqrt({n})": "math", "time.sleep({n})": "time", "{v} = json.dumps({v})": "json", "{v} = os.getcwd()": "os",
    "{v} = random.randint({m}, {n})": "random", "sys.exit({n})": "sys",
}  # fmt: skip
PY_LINES = (
    "{f}({v}, {n})", "{v} = {f}({n})", "{v} = {v} + {n}", "if {v} == {n}:\n    {f}({v})", "for i in range({n}):\n    {f}(i)",
    "while {v} > {n}:\n    {v} = {v} - {m}", "print({v})", 'print("{w}")', "{v} += {n}", '{f}({v}, "{w}")',
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Program:
    """Correct lines of one language, and the variable that they are about."""

    lang: str
    lines: tuple[str, ...]
    variable: str

    @property
    def text(self) -> str:
        return "\n".join(self.lines)


def program(rng: random.Random, names: Names) -> Program:
    return (c_program if rng.random() < 0.55 else py_program)(rng, names)


def _fill(rng: random.Random, line: str, words: dict[str, str]) -> str:
    return line.format(n=rng.randint(2, 99), m=rng.randint(1, 9), **words)


def c_program(rng: random.Random, names: Names) -> Program:
    v, f, g, s = names.distinct(4)
    words = {"v": v, "f": f, "s": s, "w": names.word()}
    chosen = [rng.choice(C_LINES) for _ in range(1 if rng.random() < 0.6 else 2)]
    top: list[str] = []
    if rng.random() < 0.25:
        line, header = rng.choice([pair for pair in HEADERS.items() if "{s}" not in pair[0]])
        chosen.insert(rng.randrange(len(chosen) + 1), line)
        top = [f"#include {header}"]
    body = [_fill(rng, line, words) for line in chosen]
    if rng.random() < 0.4:
        return Program("c", (*top, f"void {g}(int {v}) {{", *(f"  {line}" for line in body), "}"), v)
    return Program("c", (*top, f"int {v} = {rng.randint(0, 99)};", *body), v)


def py_program(rng: random.Random, names: Names) -> Program:
    v, f, g = names.distinct(3)
    words = {"v": v, "f": f, "w": names.word()}
    chosen = [rng.choice(PY_LINES) for _ in range(1 if rng.random() < 0.6 else 2)]
    top: list[str] = []
    if rng.random() < 0.25:
        line, module = rng.choice(list(MODULES.items()))
        chosen.insert(rng.randrange(len(chosen) + 1), line)
        top = [f"import {module}"]
    body = [part for line in chosen for part in _fill(rng, line, words).split("\n")]
    if rng.random() < 0.4:
        return Program("python", (*top, f"def {g}({v}):", *(f"    {line}" for line in body)), v)
    return Program("python", (*top, f"{v} = {rng.randint(0, 99)}", *body), v)


# Defects: what is taken away from a correct program, what a compiler says, what is wrong


@dataclass(frozen=True, slots=True)
class Broken:
    """A program with one defect."""

    text: str
    message: str
    kind: str


Defect = Callable[[random.Random, Program], Broken | None]


def _at(program: Program, line: int, what: str) -> str:
    return f"main.c:{line + 1}: error: {what}" if program.lang == "c" else f"line {line + 1}: {what}"


def _change(program: Program, place: int, line: str, what: str, kind: str) -> Broken:
    lines = (*program.lines[:place], line, *program.lines[place + 1 :])
    return Broken("\n".join(lines), _at(program, place, what), kind)


def _pick(rng: random.Random, program: Program, fits: Callable[[str], bool]) -> int | None:
    places = [place for place, line in enumerate(program.lines) if fits(line)]
    return rng.choice(places) if places else None


def semicolon(rng: random.Random, program: Program) -> Broken | None:
    place = _pick(rng, program, lambda line: program.lang == "c" and line.endswith(";"))
    return None if place is None else _change(program, place, program.lines[place][:-1], "expected ';'", "semicolon")


def colon(rng: random.Random, program: Program) -> Broken | None:
    place = _pick(rng, program, lambda line: program.lang == "python" and line.endswith(":"))
    return (
        None
        if place is None
        else _change(program, place, program.lines[place][:-1], "SyntaxError: expected ':'", "colon")
    )


def paren(rng: random.Random, program: Program) -> Broken | None:
    place = _pick(rng, program, lambda line: ")" in line)
    if place is None:
        return None
    line = program.lines[place]
    at = rng.choice([n for n, char in enumerate(line) if char == ")"])
    what = "expected ')'" if program.lang == "c" else "SyntaxError: '(' was never closed"
    return _change(program, place, line[:at] + line[at + 1 :], what, "paren")


def brace(rng: random.Random, program: Program) -> Broken | None:
    place = _pick(rng, program, lambda line: program.lang == "c" and line.endswith("}"))
    if place is None:
        return None
    rest = program.lines[place][:-1].rstrip()
    lines = [*program.lines[:place], *([rest] if rest else []), *program.lines[place + 1 :]]
    return Broken("\n".join(lines), "main.c: error: expected '}' at end of input", "brace")


def quote(rng: random.Random, program: Program) -> Broken | None:
    place = _pick(rng, program, lambda line: '"' in line and not line.startswith("#"))
    if place is None:
        return None
    line = program.lines[place]
    marks = [n for n, char in enumerate(line) if char == '"'][1::2]
    at = rng.choice(marks)
    what = 'missing terminating " character' if program.lang == "c" else "SyntaxError: unterminated string literal"
    return _change(program, place, line[:at] + line[at + 1 :], what, "quote")


def indent(rng: random.Random, program: Program) -> Broken | None:
    if program.lang != "python":
        return None
    places = [n for n, line in enumerate(program.lines) if n and program.lines[n - 1].endswith(":")]
    if not places:
        return None
    place = rng.choice(places)
    line = program.lines[place]
    return _change(program, place, line[4:], "IndentationError: expected an indented block", "indent")


def equals(rng: random.Random, program: Program) -> Broken | None:
    place = _pick(rng, program, lambda line: " == " in line)
    if place is None:
        return None
    what = (
        "suggest parentheses around assignment"
        if program.lang == "c"
        else "SyntaxError: invalid syntax. Maybe you meant '=='?"
    )
    return _change(program, place, program.lines[place].replace(" == ", " = ", 1), what, "equals")


def dependency(rng: random.Random, program: Program) -> Broken | None:
    if not program.lines[0].startswith(("#include", "import ")):
        return None
    rest = "\n".join(program.lines[1:])
    if program.lang == "python":
        module = program.lines[0].removeprefix("import ")
        return Broken(rest, f"NameError: name '{module}' is not defined", "import")
    header = program.lines[0].removeprefix("#include ")
    return Broken(rest, f"main.c: error: implicit declaration, include {header}", "include")


def typo(rng: random.Random, program: Program) -> Broken | None:
    """Two letters swapped in one use of the variable: in C anywhere, in Python where it is read."""
    name = program.variable
    places = []
    for place, line in enumerate(program.lines):
        start = line.rfind(name)
        declares = line.startswith(("void", "def", "int", "import", "#")) or line.startswith(f"{name} = ")
        reads = program.lang == "c" or not line.strip().startswith(name) or start > len(line) - len(line.lstrip())
        if start >= 0 and reads and not (declares and place <= 1):
            places.append(place)
    if not places or len(name) < 3:
        return None
    place = rng.choice(places)
    at = rng.randrange(len(name) - 1)
    bad = name[:at] + name[at + 1] + name[at] + name[at + 2 :]
    if bad == name or bad in program.text:
        return None
    line = program.lines[place]
    start = line.rfind(name)
    changed = line[:start] + bad + line[start + len(name) :]
    what = f"'{bad}' undeclared" if program.lang == "c" else f"NameError: name '{bad}' is not defined"
    return _change(program, place, changed, what, "typo")


DEFECTS: tuple[Defect, ...] = (semicolon, semicolon, colon, colon, paren, paren, brace, quote, quote, indent, indent, equals,
                               equals, dependency, dependency, typo, typo)  # fmt: skip
WHY = {
    "semicolon": "missing ;", "colon": "missing :", "paren": "missing )", "brace": "missing }", "quote": "missing quote",
    "indent": "missing indent", "equals": "= for ==", "import": "missing import", "include": "missing include",
    "typo": "unknown name",
}  # fmt: skip


def broken(rng: random.Random, names: Names) -> tuple[Program, Broken]:
    while True:
        sound = program(rng, names)
        found = rng.choice(DEFECTS)(rng, sound)
        if found is not None:
            return sound, found


def fix(rng: random.Random, names: Names) -> Item:
    sound, found = broken(rng, names)
    return Item("fix", f"fix {sound.lang}\n{found.message}\n{found.text}", sound.text, found.kind)


def validate(rng: random.Random, names: Names) -> Item:
    if rng.random() < 0.5:
        sound = program(rng, names)
        return Item("validate", f"validate {sound.lang}\n{sound.text}", "valid", "valid")
    sound, found = broken(rng, names)
    return Item("validate", f"validate {sound.lang}\n{found.text}", f"invalid: {WHY[found.kind]}", found.kind)


# Document: one line from a signature

C_TYPES = ("int", "float", "bool", "char", "double", "long", "void")
PY_TYPES = ("int", "float", "bool", "str", "list", "dict", "None")


def document(rng: random.Random, names: Names) -> Item:
    function, *params = names.distinct(1 + rng.randint(0, 3))
    if rng.random() < 0.5:
        result = rng.choice(C_TYPES)
        typed = ", ".join(f"{rng.choice(C_TYPES[:-1])} {name}" for name in params) or "void"
        takes = f"takes {', '.join(params)}" if params else "takes nothing"
        gives = "returns nothing" if result == "void" else f"returns {result}"
        return Item("document", f"document c\n{result} {function}({typed});", f"/// {function} {takes}; {gives}", "c")
    result = rng.choice(PY_TYPES)
    gives = "returns nothing" if result == "None" else f"returns {result}"
    listed = f"({', '.join(params)})"
    return Item(
        "document",
        f"document python\ndef {function}{listed} -> {result}:",
        f'"""{function}{listed} {gives}."""',
        "python",
    )


MAKERS: dict[str, Callable[[random.Random, Names], Item]] = {
    "analyze": analyze, "fix": fix, "validate": validate, "document": document,
}  # fmt: skip


def items(seed: int, *, task: str | None = None, unseen: bool = False) -> Iterator[Item]:
    """Exercises without end; the same for the same seed."""
    rng = random.Random(seed)
    names = Names(rng, unseen=unseen)
    kinds, weights = list(SHARES), list(SHARES.values())
    while True:
        yield MAKERS[task or rng.choices(kinds, weights)[0]](rng, names)


def left_out() -> tuple[list[Item], list[Item]]:
    """The exercises that training never sees: with any names, and with names of `UNSEEN`. The examples are of these."""
    return test_items(HELD_OUT, 300), test_items(UNSEEN_NAMES, 200, unseen=True)


def test_items(seed: int, count: int, *, unseen: bool = False) -> list[Item]:
    """`count` different exercises of each task."""
    found: list[Item] = []
    for offset, task in enumerate(TASKS):
        kept: dict[str, Item] = {}
        for item in items(seed + offset, task=task, unseen=unseen):
            kept.setdefault(item.prompt, item)
            if len(kept) == count:
                break
        found += kept.values()
    return found
