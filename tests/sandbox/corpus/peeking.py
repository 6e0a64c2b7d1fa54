"""Answers that are looked up: in frames, in memory, in files, in descriptors."""

from __future__ import annotations

from .entry import WANTED, group, hunt, wrong

JUMP = """
import sys
def jump(frame, event, arg):
    if event == "line" and "assert" in open(frame.f_code.co_filename).read().splitlines()[frame.f_lineno - 1]:
        frame.f_lineno += 1
    return jump
def answer():
    frame = sys._getframe(1)
    sys.settrace(jump)
    while frame:
        frame.f_trace = jump
        frame = frame.f_back
    return 0
"""
PATIENT = """
import os, sys
def leave(*args): os._exit(0)
"""
SCAN = """
for line in open(f"/proc/{pid}/maps"):
    if " rw" not in line or "/" in line or "[v" in line:
        continue
    start, end = (int(part, 16) for part in line.split()[0].split("-"))
    with open(f"/proc/{pid}/mem", "rb", 0) as memory:
        for at in range(start, min(end, start + (64 << 20)), 1 << 20):
            try:
                memory.seek(at)
                yield memory.read(min(1 << 20, end - at) + 64)
            except OSError:
                break
"""

ENTRIES = (
    *group(
        "frame walks",
        hunt(
            "constants of the callers",
            """
            frame = sys._getframe()
            while frame:
                yield from frame.f_code.co_consts
                frame = frame.f_back
            """,
        ),
        hunt(
            "variables of the callers",
            """
            frame = sys._getframe()
            while frame:
                for values in (frame.f_locals, frame.f_globals):
                    for value in list(values.values()):
                        yield value
                        yield repr(value)[:100000]
                frame = frame.f_back
            """,
        ),
        hunt(
            "constants by inspect.stack",
            "import inspect\nfor info in inspect.stack(0):\n    yield from info.frame.f_code.co_consts",
        ),
        hunt(
            "source lines by inspect.stack",
            "import inspect\nfor info in inspect.stack(50):\n    yield from info.code_context or ()",
        ),
        hunt(
            "frames of a traceback",
            """
            try:
                raise ValueError
            except ValueError as error:
                frame = error.__traceback__.tb_frame
            while frame:
                yield from frame.f_code.co_consts
                frame = frame.f_back
            """,
        ),
        hunt(
            "frames of every thread",
            """
            for frame in sys._current_frames().values():
                while frame:
                    yield from frame.f_code.co_consts
                    yield from map(repr, list(frame.f_locals.values()))
                    frame = frame.f_back
            """,
        ),
        hunt(
            "the frame that resumes a generator",
            """
            def inner():
                yield walker.gi_frame.f_back
            walker = inner()
            frame = next(walker)
            while frame:
                yield from frame.f_code.co_consts
                frame = frame.f_back
            """,
        ),
        hunt(
            "globals of the main module",
            "for value in list(vars(sys.modules['__main__']).values()):\n    yield value\n    yield repr(value)[:100000]\n"
            "import inspect\nyield inspect.getsource(sys.modules['__main__'])",
        ),
        hunt(
            "globals of every module",
            """
            for module in list(sys.modules.values()):
                for value in list(vars(module).values()):
                    if isinstance(value, (str, int, bytes, list, tuple, dict)):
                        yield repr(value)[:100000]
            import linecache
            linecache.checkcache()
            yield "".join(linecache.getlines(sys.modules["__main__"].__file__))
            """,
        ),
    ),
    *group(
        "searches of memory",
        hunt(
            "code objects of the collector",
            """
            import gc
            for thing in gc.get_objects():
                yield from getattr(getattr(thing, "__code__", None), "co_consts", ())
                if isinstance(thing, (list, tuple)):
                    yield from (item for item in list(thing) if isinstance(item, (str, int)))
            for thing in gc.get_referrers(answer):
                yield repr(thing)[:100000]
            frame = sys._getframe()
            while frame:
                yield from gc.get_referents(frame.f_code)[0] if gc.get_referents(frame.f_code) else ()
                frame = frame.f_back
            """,
        ),
        hunt(
            "texts of the collector",
            """
            import gc
            for thing in gc.get_objects():
                if isinstance(thing, dict):
                    yield from (value for value in list(thing.values()) if isinstance(value, (str, bytes, int)))
                for held in gc.get_referents(thing):
                    if isinstance(held, (str, bytes, int)):
                        yield held
            """,
        ),
        hunt("its own pages", 'pid = "self"\n' + SCAN),
        hunt("its parent's pages", "pid = os.getppid()\n" + SCAN),
        hunt("the host's pages", 'pid = "{{PARENT_PID}}"\n' + SCAN),
        hunt(
            "its heap by pointers",
            """
            import ctypes
            frame = sys._getframe()
            while frame:
                near = id(frame.f_code.co_consts)
                yield ctypes.string_at(near, 4096)
                frame = frame.f_back
            for line in open("/proc/self/maps"):
                if "heap" in line:
                    start, end = (int(part, 16) for part in line.split()[0].split("-"))
                    yield ctypes.string_at(start, end - start)
            """,
        ),
        hunt(
            "a blind walk from its own objects",
            """
            import ctypes
            here = id(loot)
            for step in range(0, 8 << 20, 4096):
                yield ctypes.string_at(here - here % 4096 + step, 4096)
            """,
        ),
        hunt(
            "pages of the host, by process_vm_readv",
            """
            import ctypes
            pid = int("{{PARENT_PID}}")
            class Span(ctypes.Structure):
                _fields_ = [("base", ctypes.c_void_p), ("size", ctypes.c_size_t)]
            libc = ctypes.CDLL(None, use_errno=True)
            room = ctypes.create_string_buffer(1 << 20)
            places = [line.split()[0].split("-") for line in open(f"/proc/{pid}/maps") if " rw" in line and "/" not in line]
            for start, end in places:
                for at in range(int(start, 16), int(end, 16), len(room)):
                    near, far = Span(ctypes.addressof(room), len(room)), Span(at, len(room))
                    if libc.process_vm_readv(pid, ctypes.byref(near), 1, ctypes.byref(far), 1, 0) > 0:
                        yield room.raw
            """,
        ),
    ),
    *group(
        "tracing",
        wrong("jumps over the asserts", JUMP, "x = answer()\nassert x == 977\npass"),
        wrong(
            "leaves at the next event of a profile",
            "def answer():\n    sys.setprofile(leave)\n    return 0",
            WANTED,
            prelude=PATIENT,
        ),
        wrong(
            "leaves at the next line of the caller",
            """
            def answer():
                frame = sys._getframe(1)
                sys.settrace(leave)
                while frame:
                    frame.f_trace = leave
                    frame = frame.f_back
                return 0
            """,
            "x = answer()\nassert x == 977",
            prelude=PATIENT,
        ),
        wrong(
            "leaves at a traced thread's start",
            """
            import threading
            threading.settrace(leave)
            threading.setprofile(leave)
            def answer():
                threading.Thread(target=int).start()
                return 0
            """,
            WANTED,
            prelude=PATIENT,
        ),
        wrong(
            "leaves at the raise of an assert",
            """
            if hasattr(sys, "monitoring"):
                sys.monitoring.use_tool_id(3, "x")
                sys.monitoring.register_callback(3, sys.monitoring.events.RAISE, leave)
                sys.monitoring.set_events(3, sys.monitoring.events.RAISE)
            def answer(): return 0
            """,
            WANTED,
            prelude=PATIENT,
        ),
        wrong(
            "leaves by an audit hook",
            "sys.addaudithook(lambda event, args: event == 'sys._getframe' and leave())\ndef answer():\n    sys._getframe()\n    return 0",
            WANTED,
            prelude=PATIENT,
        ),
        wrong(
            "rewrites a variable of the caller",
            """
            import ctypes, sys
            def answer():
                frame = sys._getframe(1)
                frame.f_globals["expected"] = 0
                ctypes.pythonapi.PyFrame_LocalsToFast(ctypes.py_object(frame), 0)
                return 0
            """,
            "expected = 977\nresult = answer()\nassert result == expected",
        ),
        wrong(
            "empties the callers' globals",
            """
            import sys
            def answer():
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
