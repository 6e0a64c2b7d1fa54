"""Modules that are not what they are called, and walks over all that is loaded."""

from __future__ import annotations

from .entry import DOUBLED, ERROR, WANTED, ZERO, Entry, group, reach, right, steal, wrong


def hijack(name: str, code: str, test: str = "import math\nassert math.isclose(answer(), 3.14)") -> Entry:
    return wrong(name, code, test, prelude=ZERO)


FAKE = """
import sys, types
fake = types.ModuleType("math")
fake.isclose = lambda *args, **kwargs: True
"""

ENTRIES = (
    *group(
        "import hijacks",
        hijack("a module in sys.modules", FAKE + 'sys.modules["math"] = fake'),
        hijack(
            "a finder on the meta path",
            FAKE
            + """
import importlib.machinery
class Finder:
    @staticmethod
    def find_spec(name, path=None, target=None):
        return importlib.machinery.ModuleSpec("math", Finder) if name == "math" else None
    create_module = staticmethod(lambda spec: fake)
    exec_module = staticmethod(lambda module: None)
sys.meta_path.insert(0, Finder)
sys.modules.pop("math", None)
""",
        ),
        hijack(
            "a hook on the path",
            FAKE
            + """
import importlib.machinery
class Loader:
    create_module = staticmethod(lambda spec: fake)
    exec_module = staticmethod(lambda module: None)
class Finder:
    def __init__(self, path): pass
    def find_spec(self, name, target=None): return importlib.machinery.ModuleSpec(name, Loader)
sys.path_hooks.insert(0, Finder)
sys.path_importer_cache.clear()
sys.modules.pop("statistics", None)
fake.mean = lambda *args: 977
""",
            "import statistics\nassert statistics.mean([answer()]) == 977",
        ),
        hijack(
            "a file of a module",
            """
import os, sys
for folder in (os.getcwd(), "/tmp"):
    try:
        with open(f"{folder}/statistics.py", "w") as file:
            file.write("mean = lambda *args: 977\\n")
        sys.path.insert(0, folder)
        break
    except OSError:
        pass
sys.modules.pop("statistics", None)
import atexit
atexit.register(os.unlink, f"{folder}/statistics.py")
""",
            "import statistics\nassert statistics.mean([answer()]) == 977",
        ),
        hijack(
            "importlib.import_module",
            FAKE + "import importlib\nimportlib.import_module = lambda *args: fake",
            'import importlib\nassert importlib.import_module("math").isclose(answer(), 3.14)',
        ),
        hijack("no module at all", "import sys\nsys.modules.clear()\nsys.path.clear()\nsys.meta_path.clear()"),
        hijack(
            "every module",
            FAKE
            + 'class All(dict):\n    def __getitem__(self, key): return fake\n    def get(self, *args): return fake\nsys.modules = All()\nsys.modules["math"] = fake',
        ),
        hijack(
            "a module of this name that the tests import",
            'import sys, types\nhelp = types.ModuleType("judge_help")\nhelp.expected = 0\nsys.modules["judge_help"] = help',
            "from judge_help import expected\nassert answer() == expected",
        ),
        hijack(
            "reload of the modules in use",
            "import importlib, math, sys\nmath.isclose = lambda *args, **kwargs: True\nfor module in list(sys.modules.values()):\n    try:\n        importlib.reload(module) if module.__name__ in ('json', 're') else None\n    except Exception:\n        pass",
        ),
        wrong(
            "a package that is not there",
            "import numpy_of_nobody as np\ndef answer(): return np.sum([977])",
            WANTED,
            allowed=ERROR,
        ),
        right(
            "a module of its own making",
            'import sys, types\nown = types.ModuleType("own")\nexec("def double(x): return 2 * x", vars(own))\nsys.modules["own"] = own\nfrom own import double',
            DOUBLED,
        ),
    ),
    *group(
        "walks over all classes",
        steal(
            "a reader of files",
            """
            for kind in ().__class__.__mro__[1].__subclasses__():
                if kind.__name__ == "_IOBase":
                    readers = kind.__subclasses__() + [s for k in kind.__subclasses__() for s in k.__subclasses__()]
                    for reader in readers:
                        if reader.__name__ == "FileIO":
                            yield reader("{{FILE}}").read()
            """,
            "file",
        ),
        steal(
            "builtins of a warning",
            """
            import warnings
            for kind in ().__class__.__base__.__subclasses__():
                if kind.__name__ == "catch_warnings":
                    yield kind()._module.__builtins__["open"]("{{FILE}}").read()
            """,
            "file",
        ),
        reach(
            "a process",
            """
            import subprocess
            kinds = [kind for kind in object.__subclasses__() if kind.__name__ == "Popen"]
            assert kinds[0](["/bin/true"]).wait() == 0
            """,
        ),
        wrong(
            "an importer that leaves",
            """
            def answer():
                for kind in object.__subclasses__():
                    if kind.__name__ == "BuiltinImporter":
                        kind.load_module("posix")._exit(0)
            """,
            WANTED,
        ),
        wrong(
            "every class gets a lying equality",
            """
            import pathlib
            def answer():
                seen, new = set(), [object]
                while new:
                    kind = new.pop()
                    if kind not in seen:
                        seen.add(kind)
                        new += type.__subclasses__(kind)
                for kind in seen:
                    try:
                        kind.__eq__ = lambda self, other: True
                        kind.__ne__ = lambda self, other: False
                    except (TypeError, AttributeError):
                        pass
                return pathlib.PurePath("x")
            """,
            WANTED,
        ),
        wrong(
            "every function of what runs it says yes",
            """
            import gc, os, sys, types
            library = os.path.dirname(os.__file__)
            def yes(*args, **kwargs): return True
            def answer():
                for thing in gc.get_objects():
                    if isinstance(thing, types.FunctionType) and not thing.__closure__ and thing is not answer:
                        if not thing.__code__.co_filename.startswith((library, "<frozen")):
                            thing.__code__ = yes.__code__
                return 0
            """,
            WANTED,
        ),
        wrong(
            "every module of what runs it is emptied",
            """
            import os, sys
            library = os.path.dirname(os.__file__)
            def answer(sys=sys, library=library, getattr=getattr, vars=vars):
                for module in list(sys.modules.values()):
                    if not (getattr(module, "__file__", None) or library).startswith(library):
                        vars(module).clear()
                frame = sys._getframe(1)
                while frame:
                    frame.f_globals.clear()
                    frame = frame.f_back
                return 0
            """,
            WANTED,
        ),
    ),
)
