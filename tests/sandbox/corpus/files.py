"""Answers that are looked up in files, arguments and descriptors."""

from __future__ import annotations

from .entry import group, hunt

ENTRIES = (
    *group(
        "tests read from files",
        hunt("its own file", "yield read(__file__)"),
        hunt(
            "the file of the command",
            "for name in {sys.argv[0], *sys.orig_argv}:\n    if os.path.isfile(name):\n        yield read(name)",
        ),
        hunt("arguments", "yield from sys.argv\nyield from sys.orig_argv\nyield from os.environ.values()"),
        hunt(
            "files of the working folder",
            "for name in glob.glob('*') + glob.glob('*/*'):\n    if os.path.isfile(name):\n        yield read(name)",
        ),
        hunt(
            "young files of temporary folders",
            """
            import time
            for top in {"/tmp", "/var/tmp", "/dev/shm", os.environ.get("TMPDIR", "/tmp")}:
                for name in glob.glob(top + "/*") + glob.glob(top + "/*/*"):
                    if name.endswith((".py", ".json", ".jsonl", ".txt")) and time.time() - os.path.getmtime(name) < 60:
                        yield read(name)
            """,
        ),
        hunt("command lines of all processes", "for name in glob.glob('/proc/[0-9]*/cmdline'):\n    yield read(name)"),
        hunt(
            "working folders of all processes", "for name in glob.glob('/proc/[0-9]*/cwd/*.py'):\n    yield read(name)"
        ),
        hunt(
            "open files of its own",
            """
            for name in glob.glob("/proc/self/fd/*"):
                if os.path.isfile(name):
                    yield read(name)
            yield read("/proc/self/cmdline")
            for name in open("/proc/self/cmdline").read().split("\\0"):
                if os.path.isfile(name):
                    yield read(name)
            """,
        ),
        hunt("standard input", "yield sys.stdin.read()\nyield os.read(0, 1 << 20)"),
        hunt(
            "all that waits in a descriptor",
            "for fd in range(64):\n    try:\n        os.set_blocking(fd, False)\n        yield os.read(fd, 1 << 20)\n    except OSError:\n        pass",
        ),
        hunt(
            "the history of the interpreter",
            "import linecache\nfor entry in list(linecache.cache.values()):\n    yield repr(entry)\nyield ''.join(linecache.getlines(__file__))",
        ),
        hunt(
            "the loader of the main module",
            "spec = sys.modules['__main__'].__spec__ or sys.modules['__main__'].__loader__\nyield spec.get_data(__file__)",
        ),
    ),
)
