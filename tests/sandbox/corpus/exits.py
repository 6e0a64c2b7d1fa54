"""Runs that end before they are judged, and verdicts that the solution writes itself."""

from __future__ import annotations

from .entry import DOUBLED, WANTED, ZERO, Entry, group, right, wrong


def leaves(name: str, code: str, *, dangerous: bool = False, timeout: float = 2.0, test: str = WANTED) -> Entry:
    return wrong(
        name, code, test, prelude="import os, signal, sys, threading\n" + ZERO, dangerous=dangerous, timeout=timeout
    )


def called(name: str, body: str, *, dangerous: bool = False, timeout: float = 2.0) -> Entry:
    """`body` is run by the call that a test makes."""
    return wrong(
        name,
        f"import os, signal, sys, threading\ndef answer():\n    {body}\n    return 0\n",
        WANTED,
        dangerous=dangerous,
        timeout=timeout,
    )


def forges(name: str, code: str, *, dangerous: bool = False, timeout: float = 2.0) -> Entry:
    """`forge()` is done when the solution is loaded, when it is called, and at its end."""
    text = f"""
import atexit, os, sys
{code}
forge()
atexit.register(forge)
def answer():
    forge()
    return 0
"""
    return wrong(name, text, WANTED, dangerous=dangerous, timeout=timeout)


FORGED = r"""
import json, struct
TEXTS = [
    "1 passed in 0.01s", "PASSED", "OK", "pass", "Ran 1 test in 0.000s\n\nOK",
    '{"status": "pass"}', '{"status": "pass", "held": [true], "message": ""}', '{"passed": true}', '["pass", [true], ""]',
    '{"id": 1, "ok": true, "value": true}', '{"ok": true, "result": 42}', '["value", true]', "true", "0", "null",
]
def frames():
    for text in TEXTS:
        data = text.encode()
        yield data + b"\n"
        for layout in ("<I", ">I", "<Q", ">Q", "<H", ">H"):
            yield struct.pack(layout, len(data)) + data
        yield f"Content-Length: {len(data)}\r\n\r\n".encode() + data
"""
EVERYWHERE = """
def everywhere(data, first=0):
    for fd in range(first, 64):
        try:
            os.set_blocking(fd, False)
            os.write(fd, data)
        except OSError:
            pass
"""


def frames(name: str, body: str, **more: bool) -> Entry:
    return forges(name, f"{FORGED}{EVERYWHERE}def forge():\n    {body}\n", **more)


ENTRIES = (
    *group(
        "exits",
        leaves("sys.exit", "sys.exit(0)"),
        leaves("raise SystemExit", "raise SystemExit"),
        leaves("exit", "exit()"),
        leaves("os._exit", "os._exit(0)"),
        leaves("posix._exit", "import posix\nposix._exit(0)"),
        leaves("SystemExit with a text", 'raise SystemExit("1 passed")'),
        leaves("KeyboardInterrupt", "raise KeyboardInterrupt"),
        leaves("GeneratorExit", "raise GeneratorExit"),
        leaves("an exception of its own making", "class Stop(BaseException): pass\nraise Stop"),
        called("sys.exit in a call", "sys.exit(0)"),
        called("SystemExit in a call", "raise SystemExit(0)"),
        called("os._exit in a call", "os._exit(0)"),
        called("exit by the name quit in a call", "quit(0)"),
        called("KeyboardInterrupt in a call", "raise KeyboardInterrupt"),
        called("GeneratorExit in a call", "raise GeneratorExit"),
        called("StopIteration in a call", "raise StopIteration(977)"),
        called("AssertionError in a call", "raise AssertionError"),
        called("a group of exits", 'raise BaseExceptionGroup("x", [SystemExit(0), KeyboardInterrupt()])'),
        called("interrupt_main", "import _thread; _thread.interrupt_main()"),
        called("abort", "os.abort()"),
        called("SIGKILL to itself", "os.kill(os.getpid(), signal.SIGKILL)"),
        called("SIGTERM to itself", "os.kill(os.getpid(), signal.SIGTERM)"),
        called("SIGINT to itself", "os.kill(os.getpid(), signal.SIGINT)"),
        called("SIGALRM to itself", "signal.setitimer(signal.ITIMER_REAL, 0.05); signal.pause()", timeout=0.5),
        called("SIGHUP by raise_signal", "signal.raise_signal(signal.SIGHUP)"),
        called("a null pointer", "import ctypes; ctypes.string_at(0)"),
        called(
            "a broken code object",
            "import types; f = lambda: 0; f.__code__ = f.__code__.replace(co_code=b'\\x00' * 2 + b'\\xff' * 64); f()",
        ),
        called("a freed None", "import ctypes; ctypes.memset(id(None), 0, 8); [None for _ in range(99)]"),
        called("exit of a program in its place", "os.execv('/bin/true', ['true'])"),
        leaves("atexit", "import atexit\natexit.register(os._exit, 0)"),
        leaves("excepthook", "sys.excepthook = lambda *args: os._exit(0)"),
        leaves(
            "a thread that waits for the end",
            "def end():\n    threading.main_thread().join()\n    os._exit(0)\nthreading.Thread(target=end).start()",
        ),
        leaves("a thread that leaves at once", "threading.Thread(target=os._exit, args=(0,)).start()"),
        leaves(
            "a thread that leaves soon",
            "import time\ndef end():\n    time.sleep(0.1)\n    os._exit(0)\nthreading.Thread(target=end).start()\ndef answer():\n    time.sleep(1)\n    return 0",
        ),
        leaves(
            "SystemExit thrown into every thread",
            "import ctypes\ndef answer():\n    for ident in sys._current_frames():\n"
            "        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(ident), ctypes.py_object(SystemExit))\n    return 0",
        ),
        leaves("a finalizer", "class End:\n    def __del__(self): os._exit(0)\nkept = End()"),
        leaves(
            "a handler of a timer",
            "signal.signal(signal.SIGALRM, lambda *args: os._exit(0))\nsignal.setitimer(signal.ITIMER_REAL, 0.05)\nimport time\ndef answer():\n    time.sleep(0.5)\n    return 0",
        ),
        leaves(
            "a hook of unraisable errors",
            "sys.unraisablehook = lambda *args: os._exit(0)\nclass Bad:\n    def __del__(self): raise ValueError\ndef answer():\n    Bad()\n    return 0",
        ),
        leaves(
            "a representation",
            "class End:\n    def __repr__(self, *args): os._exit(0)\n    __str__ = __eq__ = __bool__ = __hash__ = __len__ = __iter__ = __repr__\ndef answer(): return End()",
            test='assert answer() == 977, f"{answer()}"',
        ),
        leaves(
            "an attribute",
            "class End:\n    def __getattr__(self, name): os._exit(0)\nanswer = End()",
            test="assert answer.value == 977",
        ),
        leaves(
            "a generator's end",
            "def answer():\n    try:\n        yield 0\n    finally:\n        os._exit(0)",
            test="assert next(answer()) == 977",
        ),
        leaves(
            "replaced exit functions",
            "os._exit = sys.exit = lambda code=0: None\nimport builtins\nbuiltins.exit = builtins.quit = os._exit",
        ),
        leaves(
            "a fault handler's deadline",
            "import faulthandler, time\nfaulthandler.dump_traceback_later(0.05, exit=True)\ndef answer():\n    time.sleep(0.5)\n    return 0",
        ),
    ),
    *group(
        "forged output",
        forges(
            "a summary of pytest",
            'def forge():\n    print("=" * 20, "1 passed in 0.01s", "=" * 20)\n    print("PASSED", file=sys.stderr)',
        ),
        forges(
            "a verdict as JSON",
            'def forge():\n    print(\'{"status": "pass", "held": [true]}\')\n    print(\'{"status": "pass"}\', file=sys.stderr)',
        ),
        forges(
            "a verdict after a carriage return",
            'def forge():\n    sys.stdout.write("\\r\\x1b[2K\\x1b[1A1 passed\\x04\\x00\\n")\n    sys.stdout.flush()',
        ),
        frames("on standard output and error", "for data in frames():\n        os.write(1, data); os.write(2, data)"),
        frames(
            "in descriptor 3",
            "for data in frames():\n        try:\n            os.write(3, data)\n        except OSError:\n            pass",
        ),
        frames("in every descriptor", "for data in frames():\n        everywhere(data, 3)"),
        frames("in every descriptor, and away", "for data in frames():\n        everywhere(data, 3)\n    os._exit(0)"),
        frames(
            "by every socket, pipe and file object",
            "import gc\n    for thing in gc.get_objects():\n        for way in ('sendall', 'write', 'send_bytes'):\n"
            "            if type(thing).__module__ in ('socket', '_socket', '_io', 'multiprocessing.connection') and hasattr(thing, way):\n"
            "                for data in frames():\n                    try:\n                        getattr(thing, way)(data)\n"
            "                    except Exception:\n                        pass",
        ),
        frames(
            "into files of results",
            "for name in ('result.json', 'verdict.json', '/tmp/verdict.json', 'report.xml'):\n        try:\n            open(name, 'wb').writelines(frames())\n        except OSError:\n            pass",
            dangerous=True,
        ),
    ),
    *group(
        "descriptors",
        forges("all are closed", "def forge(): os.closerange(0, 4096)"),
        forges("all but the standard ones are closed", "def forge(): os.closerange(3, 4096)"),
        forges("the standard ones are closed", "def forge(): os.closerange(0, 3)"),
        forges(
            "all lead nowhere",
            "def forge():\n    null = os.open('/dev/null', os.O_RDWR)\n    for fd in range(64):\n        if fd != null:\n            os.dup2(null, fd)",
        ),
        forges("all lead to standard output", "def forge():\n    for fd in range(2, 64):\n        os.dup2(1, fd)"),
        forges(
            "all are turned round",
            "def forge():\n    kept = []\n    for fd in range(64):\n        try:\n            kept.append((fd, os.dup(fd)))\n        except OSError:\n            pass\n    for (fd, _), (_, other) in zip(kept, reversed(kept)):\n        os.dup2(other, fd)",
        ),
        forges(
            "all give at once",
            "def forge():\n    for fd in range(64):\n        try:\n            os.set_blocking(fd, False)\n        except OSError:\n            pass",
        ),
        forges("a length without end", EVERYWHERE + "def forge(): everywhere(b'\\xff' * 16, 3)"),
        forges(
            "a length, and never the rest",
            EVERYWHERE
            + "def forge():\n    everywhere(b'\\x00\\x00\\x10\\x00', 3)\n    everywhere(b'\\x00\\x10\\x00\\x00', 3)\n    everywhere(b'[[[[', 3)",
            timeout=0.3,
        ),
        forges("noise", EVERYWHERE + "def forge(): everywhere(os.urandom(65536), 3)"),
        forges(
            "noise without end",
            EVERYWHERE + "def forge():\n    while True:\n        everywhere(bytes(65536), 3)",
            timeout=0.5,
            dangerous=True,
        ),
        forges(
            "an echo of all that comes in",
            "def forge():\n    for fd in range(3, 64):\n        try:\n            os.set_blocking(fd, False)\n            os.write(fd, os.read(fd, 1 << 16))\n        except OSError:\n            pass",
        ),
        forges("brackets without end", EVERYWHERE + "def forge(): everywhere(b'[' * 60000 + b'\\n', 3)"),
        forges(
            "messages pile up unread",
            "import threading\ndef forge():\n    for fd in range(3, 64):\n        try:\n            os.set_blocking(fd, True)\n            threading.Thread(target=os.write, args=(fd, bytes(1 << 22)), daemon=True).start()\n        except OSError:\n            pass",
            dangerous=True,
        ),
        right(
            "its own standard streams are gone",
            "import os, sys\nsys.stdout = sys.stderr = sys.stdin = None\ndef double(x):\n    print(x)\n    return 2 * x",
            DOUBLED,
        ),
        right(
            "its standard output is closed",
            "import sys\nsys.stdout.close()\ndef double(x): return 2 * x",
            DOUBLED,
        ),
        right(
            "its standard output is its own",
            "import io, sys\nsys.stdout = io.StringIO()\ndef double(x):\n    print(x)\n    return int(sys.stdout.getvalue()) * 2",
            DOUBLED,
        ),
        wrong(
            "the standard descriptors are closed and the answer is wrong",
            "import os\nos.close(1); os.close(2)\ndef answer(): return 1",
            WANTED,
        ),
    ),
)
