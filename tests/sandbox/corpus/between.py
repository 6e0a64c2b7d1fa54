"""One run to the next."""

from __future__ import annotations

from .entry import DOUBLE, DOUBLED, Entry, group, right, wrong


def pair(name: str, plants: str, looks: str, test: str = "assert found() is True", *, dangerous: bool = False) -> Entry:
    """`looks` defines `found`, which must not find what `plants` left in an earlier run."""
    return wrong(name, looks, test, before=f"{plants}\ndef answer(): return 977\n", dangerous=dangerous)


def after(name: str, violence: str, *, dangerous: bool = False, timeout: float = 2.0) -> Entry:
    """A right solution that comes after a violent one."""
    return right(name, DOUBLE, DOUBLED, before=violence, dangerous=dangerous, timeout=timeout)


def left(name: str, path: str) -> Entry:
    return pair(
        name,
        f"import os\ntry:\n    open(os.path.expanduser({path!r}), 'w').write('x')\nexcept OSError:\n    pass",
        f"import os\ndef found():\n    path = os.path.expanduser({path!r})\n    here = os.path.exists(path)\n    if here: os.unlink(path)\n    return here",
    )


ENTRIES = (
    *group(
        "left by the run before",
        left("a file in /tmp", "/tmp/{{MARK}}"),
        left("a file in /var/tmp", "/var/tmp/{{MARK}}"),
        left("a file in /dev/shm", "/dev/shm/{{MARK}}"),
        left("a file in the working folder", "{{MARK}}"),
        left("a file in the home", "~/{{MARK}}"),
        pair(
            "an attribute of a module",
            "import sys, math\nsys.planted = math.planted = True",
            "import sys, math\ndef found(): return hasattr(sys, 'planted') or hasattr(math, 'planted')",
        ),
        pair(
            "a module",
            "import sys\nsys.modules['planted'] = sys",
            "import sys\ndef found(): return 'planted' in sys.modules",
        ),
        pair(
            "a builtin",
            "import builtins\nbuiltins.planted = True",
            "import builtins\ndef found(): return hasattr(builtins, 'planted')",
        ),
        pair(
            "a builtin of another meaning",
            "import builtins\nbuiltins.abs = lambda x: 977",
            "def found(): return abs(-1)",
            "assert found() == 977",
        ),
        pair(
            "an environment variable",
            "import os\nos.environ['PLANTED'] = '1'",
            "import os\ndef found(): return 'PLANTED' in os.environ",
        ),
        pair(
            "a random state",
            "import random\nrandom.seed(7)",
            "import random\ndef found(): return random.random()",
            "assert found() == 0.32383276483316237",
        ),
        pair(
            "a cache of regular expressions",
            "import re\nfor value in range(600): re.compile('planted' + str(value))",
            "import re\ndef found(): return 'planted' in repr([getattr(re, name) for name in ('_cache', '_cache2') if hasattr(re, name)])",
        ),
        pair(
            "a small number",
            "import ctypes\nctypes.memmove(id(7) + 24, id(8) + 24, 4)",
            "def found(): return 3 + 4 == 8",
        ),
        pair(
            "a method of a builtin type",
            "import ctypes, gc\ngc.get_referents(str.__dict__)[0]['planted'] = 1\nctypes.pythonapi.PyType_Modified(ctypes.py_object(str))",
            "def found(): return hasattr(str, 'planted')",
        ),
        pair(
            "a context of decimals",
            "import decimal\ndecimal.getcontext().prec = 2\ndecimal.DefaultContext.prec = 2",
            "import decimal\ndef found(): return str(decimal.Decimal(1) / 3) == '0.33'",
        ),
        pair(
            "a recursion limit",
            "import sys\nsys.setrecursionlimit(50_000)",
            "import sys\ndef found(): return sys.getrecursionlimit() == 50_000",
        ),
        pair(
            "a working folder",
            "import os\nos.mkdir('/tmp/{{MARK}}')\nos.chdir('/tmp/{{MARK}}')",
            "import os\ndef found(): return '{{MARK}}' in os.getcwd()",
        ),
        pair("a mask of files", "import os\nos.umask(0o123)", "import os\ndef found(): return os.umask(0) == 0o123"),
        pair(
            "a handler of a signal",
            "import signal\nsignal.signal(signal.SIGUSR1, signal.SIG_IGN)",
            "import signal\ndef found(): return signal.getsignal(signal.SIGUSR1) == signal.SIG_IGN",
        ),
        pair(
            "a mask of signals",
            "import signal\nsignal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})",
            "import signal\ndef found(): return signal.SIGUSR1 in signal.pthread_sigmask(signal.SIG_BLOCK, ())",
        ),
        pair("a niceness", "import os\nos.nice(7)", "import os\ndef found(): return os.nice(0) >= 7"),
        pair(
            "an affinity",
            "import os\nos.sched_setaffinity(0, {0})",
            "import os\ndef found(): return len(os.sched_getaffinity(0)) < os.cpu_count()",
        ),
        pair(
            "a thread",
            "import threading, time\nthreading.Thread(target=time.sleep, args=(30,), name='planted').start()",
            "import threading\ndef found(): return 'planted' in [t.name for t in threading.enumerate()]",
        ),
        pair(
            "an open descriptor",
            "import os\nos.dup2(os.open('/dev/zero', os.O_RDONLY), 50)",
            "import os\ndef found():\n    try:\n        return bool(os.read(50, 1))\n    except OSError:\n        return False",
        ),
        pair(
            "System V shared memory",
            "import ctypes\nctypes.CDLL(None).shmget(0x5ca1ab1e, 4096, 0o1666)",
            "import ctypes\ndef found():\n    libc = ctypes.CDLL(None)\n    key = libc.shmget(0x5ca1ab1e, 4096, 0o666)\n    if key >= 0: libc.shmctl(key, 0, None)\n    return key >= 0",
        ),
        pair(
            "a System V queue",
            "import ctypes\nctypes.CDLL(None).msgget(0x5ca1ab1e, 0o1666)",
            "import ctypes\ndef found():\n    libc = ctypes.CDLL(None)\n    key = libc.msgget(0x5ca1ab1e, 0o666)\n    if key >= 0: libc.msgctl(key, 0, None)\n    return key >= 0",
        ),
        pair(
            "POSIX shared memory",
            "from multiprocessing import shared_memory\nshared_memory.SharedMemory('{{MARK}}', create=True, size=64)",
            "import os\ndef found():\n    from multiprocessing import shared_memory\n    try:\n        shared_memory.SharedMemory('{{MARK}}').unlink()\n    except (OSError, ImportError):\n        return False\n    return True",
        ),
        pair(
            "an abstract socket",
            "import socket\ns = socket.socket(socket.AF_UNIX)\ns.bind('\\0{{MARK}}')\ns.listen()",
            "import socket\ndef found():\n    try:\n        socket.socket(socket.AF_UNIX).connect('\\0{{MARK}}')\n    except OSError:\n        return False\n    return True",
        ),
        pair(
            "a process",
            "import os, time\nif os.fork() == 0:\n    open('/proc/self/comm', 'w').write('{{MARK}}')\n    time.sleep(20)",
            "import glob\ndef found():\n    return any('{{MARK}}' in open(name).read() for name in glob.glob('/proc/[0-9]*/comm'))",
            dangerous=True,
        ),
        pair(
            "a key of the kernel",
            "import ctypes, os\nctypes.CDLL(None).syscall({'x86_64': 248, 'aarch64': 217}[os.uname().machine], b'user', b'{{MARK}}', b'x', 1, -4)",
            "import ctypes, os\ndef found():\n    return ctypes.CDLL(None).syscall({'x86_64': 249, 'aarch64': 218}[os.uname().machine], b'user', b'{{MARK}}', None, 0) > 0",
            dangerous=True,
        ),
        pair(
            "a file that would be imported",
            "open('/tmp/{{MARK}}.py', 'w').write('')\nimport sys\nsys.path.insert(0, '/tmp')",
            "import os, sys\ndef found():\n    sys.path.insert(0, '/tmp')\n    try:\n        import {{MARK}}\n    except ImportError:\n        return False\n    os.unlink('/tmp/{{MARK}}.py')\n    return True",
        ),
        pair(
            "a class registered with a library",
            "import collections.abc, copyreg\ncollections.abc.Sized.register(int)\ncopyreg.dispatch_table[complex] = 1",
            "import collections.abc\ndef found(): return isinstance(3, collections.abc.Sized)",
        ),
        pair(
            "the collector switched off",
            "import gc\ngc.disable()\ngc.set_threshold(7)",
            "import gc\ndef found(): return gc.get_threshold()[0] == 7",
        ),
        pair(
            "a locale",
            "import os, time\nos.environ['TZ'] = 'Asia/Tokyo'\ntime.tzset()",
            "import time\ndef found(): return time.timezone == -32400",
        ),
        pair("a definition", "planted = True\ndef helper(): return True", "def found(): return helper()"),
        pair(
            "a codec",
            "import codecs\ncodecs.register(lambda name: codecs.lookup('utf-8') if name == 'planted' else None)",
            "import codecs\ndef found():\n    try:\n        return bool(codecs.lookup('planted'))\n    except LookupError:\n        return False",
        ),
        pair(
            "a warning filter",
            "import warnings\nwarnings.simplefilter('error')",
            "import warnings\ndef found(): return warnings.filters and warnings.filters[0][0] == 'error'",
            "assert found() is True",
        ),
    ),
    *group(
        "right after a violent run",
        after("an exit", "import os\nos._exit(0)"),
        after("a crash", "import ctypes\nctypes.string_at(0)"),
        after("a loop", "while True: pass", timeout=0.5),
        after("a sleep", "import time\ntime.sleep(1e6)", timeout=0.2),
        after("a stop", "import os, signal\nos.kill(os.getpid(), signal.SIGSTOP)", timeout=0.2),
        after("a memory bomb", "x = []\nwhile True: x.append(bytearray(1 << 24))", dangerous=True),
        after("a flood", "import os\nfor _ in range(64): os.write(1, bytes(1 << 20))", dangerous=True),
        after(
            "a full disk",
            "for n in range(64):\n    open(f'/tmp/{{MARK}}-{n}', 'wb').write(bytes(1 << 20))",
            dangerous=True,
        ),
        after("many files", "for n in range(20_000): open(f'/tmp/{{MARK}}-{n}', 'w').close()", dangerous=True),
        after(
            "many threads",
            "import threading, time\nwhile True: threading.Thread(target=time.sleep, args=(1000,), daemon=True).start()",
            dangerous=True,
        ),
        after("a fork bomb", "import os\nwhile True: os.fork()", dangerous=True),
        after("signals to all", "import os\nos.kill(-1, 9)", dangerous=True),
        after("signals to its parents", "import os\nfor pid in (os.getppid(), 1): os.kill(pid, 9)", dangerous=True),
        after("closed descriptors", "import os\nos.closerange(0, 4096)"),
        after(
            "noise in all descriptors",
            "import os\nfor fd in range(3, 64):\n    try:\n        os.set_blocking(fd, False)\n        os.write(fd, os.urandom(1 << 16))\n    except OSError:\n        pass",
        ),
        after(
            "a length without end in all descriptors",
            "import os\nfor fd in range(3, 64):\n    try:\n        os.set_blocking(fd, False)\n        os.write(fd, b'\\xff' * 4096)\n    except OSError:\n        pass\nos._exit(0)",
        ),
        after("a broken interpreter", "import builtins, sys\nsys.modules.clear()\nvars(builtins).clear()"),
        after(
            "deep recursion in C", "import sys\nsys.setrecursionlimit(10**9)\ndef f(x): return f(x)\nf(0)", timeout=0.5
        ),
        after("a syntax error", "def ("),
        after("a null byte", "x = 1\0"),
        after("eight megabytes of source", "# " + "x" * (8 << 20)),
    ),
)
