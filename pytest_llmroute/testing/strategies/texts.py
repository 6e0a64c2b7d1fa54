"""Prompts: prose, scripts of the world, code, long texts. None is blank, and each can be encoded in UTF-8."""

from __future__ import annotations

import json
from functools import partial

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from pytest_llmroute.codes import Code
from pytest_llmroute.errors import UserError

WHO = ("The build", "My teacher", "A test of ours", "The old server", "Nobody", "Each sensor", "Maria", "That loop")
DOES = ("needs", "has lost", "can't find", "replaces", "returned", "asks for", "never writes", "counts")
WHAT = ("the key", "two files", "3.5 V at most", "an empty list", "its own name", "what you see below", "a semicolon",
        "the sum of 17 and 4", '"quoted words"', "every second line", "a number (not a word)")  # fmt: skip
REQUESTS = ("Explain why", "Sum up in one sentence what happens when", "Answer yes or no: is it a problem that",
            "Translate into French:", "Don't say why", "List three reasons why")  # fmt: skip
NAMES = ("total", "row", "sensor", "parse", "user_name", "x", "buffer", "is_valid", "tmp", "request", "count", "node",
         "handle_error", "size")  # fmt: skip
PHRASES = (
    "Où est la bibliothèque ?", "Größe prüfen, bitte.", "¿Qué significa este error?", "Ошибка в строке 12",
    "コンパイルに失敗しました。", "请把下面的句子翻译成英文。", "이 코드를 설명해 주세요.", "اشرح هذه الرسالة",
    "הסבר את השגיאה", "कृपया त्रुटि समझाएँ", "γιατί απέτυχε;", "İstanbul ışıkları", "naïve café, e\u0301 as two",
    "\U0001f469\u200d\U0001f52c asked 🤖 about 🇪🇺", "full\u00a0space, ｆｕｌｌ ｗｉｄｔｈ", "zero\u200bwidth",
    "x² ≤ ½ · π ± ∞", "“curly” – dashes…",
    "Z\u0351\u036b\u0343a\u0367\u0305l\u0352g\u0343o", "\u202eright to left\u202c",
)  # fmt: skip


def prose(sentences: int = 3) -> SearchStrategy[str]:
    """English: statements, questions and requests, at most so many sentences, with numbers, quotes and brackets."""
    if sentences < 1:
        raise UserError(f"prose: sentences={sentences!r} must be at least 1", code=Code.VALUES)
    return st.lists(_sentence(), min_size=1, max_size=sentences).map(" ".join)


def unicode_text() -> SearchStrategy[str]:
    """Many scripts, marks that combine, emoji, directions, and characters that nobody expects."""
    odd = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cn", "Co")), min_size=1, max_size=20)
    return st.lists(st.sampled_from(PHRASES) | odd, min_size=1, max_size=4).map(" ".join).filter(str.strip)


def code() -> SearchStrategy[str]:
    """Small sound programs in Python and C, and JSON; some in a fenced block under a question. Below 600 characters."""
    bare = {"python": _python(), "c": _c(), "json": _json()}
    fenced = [st.builds(partial(_fenced, language), _request(), body) for language, body in bare.items()]
    return st.one_of(*bare.values(), *fenced)


def long_text(max_size: int = 4000) -> SearchStrategy[str]:
    """Paragraphs, the longer half of what `max_size` characters permit."""
    _check("long_text", max_size)
    paragraphs = st.lists(prose(4) | code(), min_size=1, max_size=4)
    return st.builds(_filled, paragraphs, st.integers((max_size + 1) // 2, max_size))


def prompts(max_size: int = 4000) -> SearchStrategy[str]:
    """All of these, at most `max_size` characters each; what would be longer is cut there."""
    _check("prompts", max_size)
    kinds = [prose(), unicode_text(), code()]
    if max_size >= 1000:
        kinds.append(long_text(max_size))
    return st.one_of(kinds).map(lambda text: text[:max_size]).filter(str.strip)


def _check(name: str, max_size: int) -> None:
    if max_size < 1:
        raise UserError(f"{name}: max_size={max_size!r} must be at least 1", code=Code.VALUES)


def _sentence() -> SearchStrategy[str]:
    statement = st.builds("{} {} {}.".format, _of(WHO), _of(DOES), _of(WHAT))
    return statement | _request()


def _request() -> SearchStrategy[str]:
    return st.builds(_asked, _of(REQUESTS), _of(WHO), _of(DOES), _of(WHAT), st.booleans())


def _asked(request: str, who: str, does: str, what: str, politely: bool) -> str:
    who = who if who == "Maria" else who[0].lower() + who[1:]
    return f"Could you help me? {request} {who} {does} {what}." if politely else f"{request} {who} {does} {what}?"


def _of(words: tuple[str, ...]) -> SearchStrategy[str]:
    return st.sampled_from(words)


def _names() -> SearchStrategy[str]:
    return st.builds(str.__add__, _of(NAMES), st.sampled_from(("", "_id", "_list", "2")))


PYTHON = (
    "def {f}({v}):\n    for i in range({n}):\n        {v} += i\n    return {v}\n",
    'class {c}:\n    """Counts {v}."""\n\n    def __init__(self, {v}={n}):\n        self.{v} = {v}\n',
    "import json\n\n{v} = json.loads('{{\"{f}\": {n}}}')\nprint(f\"{{{v}['{f}']}} of {n}\")\n",
    "{v} = [{f} ** 2 for {f} in (1, {n}) if {f} != {m}]\n",
    "try:\n    {v} = int(input())\nexcept ValueError as {f}:\n    raise SystemExit({m}) from {f}\n",
)
C = (
    "int {f}(int {v}) {{\n  return {v} * {n} + {m};\n}}\n",
    "#include <stdio.h>\n\nint main(void) {{\n  int {v} = {n};\n  while ({v} > {m}) {{ {v}--; }}\n"
    '  printf("{f} %d\\n", {v});\n  return 0;\n}}\n',
    "void {f}(void) {{\n  for (int i = 0; i < {n}; i++) {{ {v}(i); }}\n}}\n",
)


def _python() -> SearchStrategy[str]:
    return _program(PYTHON)


def _c() -> SearchStrategy[str]:
    return _program(C)


def _program(templates: tuple[str, ...]) -> SearchStrategy[str]:
    numbers = st.integers(0, 99)
    return st.builds(_written, st.sampled_from(templates), _names(), _names(), numbers, numbers)


def _written(template: str, f: str, v: str, n: int, m: int) -> str:
    return template.format(f=f, v=v if v != f else f"{v}_2", c=f.title().replace("_", ""), n=n, m=m)


def _json() -> SearchStrategy[str]:
    values = st.integers(-99, 99) | st.booleans() | st.none() | st.lists(st.integers(0, 9), max_size=3) | _of(WHAT)
    pairs = st.dictionaries(_names(), values, min_size=1, max_size=4)
    return st.builds(json.dumps, pairs, indent=st.sampled_from((None, 2)))


def _fenced(language: str, request: str, body: str) -> str:
    return f"{request}\n\n```{language}\n{body.rstrip()}\n```"


def _filled(paragraphs: list[str], size: int) -> str:
    once = "\n\n".join(paragraphs) + "\n\n"
    return (once * (size // len(once) + 1))[:size]
