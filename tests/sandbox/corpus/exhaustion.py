"""More than its share: of time, memory, disk, output and stack."""

from __future__ import annotations

from .entry import DOUBLED, ERROR, MEMORY, NO_PASS, TIMEOUT, WANTED, Entry, group, loose, reach, right, wrong


def turns(name: str, body: str, *, timeout: float = 0.5, dangerous: bool = False) -> Entry:
    """Never ends of itself, and uses the processor."""
    return wrong(
        name,
        f"import os, signal, sys, threading, time\ndef answer():\n    {body}\n",
        WANTED,
        allowed=TIMEOUT,
        timeout=timeout,
        dangerous=dangerous,
    )


def rests(name: str, body: str) -> Entry:
    """Never ends of itself, and uses nothing."""
    return wrong(
        name,
        f"import os, select, signal, sys, threading, time\ndef answer():\n    {body}\n",
        WANTED,
        allowed=TIMEOUT,
        timeout=0.1,
    )


def eats(name: str, body: str, *, timeout: float = 3.0) -> Entry:
    return wrong(name, f"def answer():\n    {body}\n    return 0\n", WANTED, allowed=MEMORY, timeout=timeout)


ENTRIES = (
    *group(
        "endless work",
        turns("a loop", "while True: pass", timeout=2.0),
        turns(
            "a loop that catches everything",
            "while True:\n        try:\n            while True: pass\n        except BaseException: pass",
            timeout=0.5,
        ),
        turns("a power", "return 10 ** 10 ** 8", timeout=0.5),
        turns("a backtracking expression", "import re; return re.match('(a+)+b', 'a' * 64)"),
        turns("a sum", "return sum(range(10 ** 12))"),
        turns("a search in a range", "return 0.5 in range(10 ** 12)"),
        turns("a loop in a sort", "return sorted([3, 2], key=lambda x: [0 for _ in iter(int, 1)])"),
        turns(
            "every signal ignored",
            "for number in set(signal.Signals) - {signal.SIGKILL, signal.SIGSTOP}: signal.signal(number, signal.SIG_IGN)\n    while True: pass",
            timeout=0.5,
        ),
        turns(
            "every signal blocked",
            "signal.pthread_sigmask(signal.SIG_BLOCK, set(signal.Signals))\n    while True: pass",
            timeout=0.5,
        ),
        turns(
            "a handler of the limit's signal",
            "signal.signal(signal.SIGXCPU, lambda *args: None)\n    while True: pass",
            timeout=0.5,
        ),
        turns(
            "a thread turns too",
            "threading.Thread(target=answer).start()\n    while True: pass",
            timeout=0.5,
            dangerous=True,
        ),
        turns(
            "a hash of a long text without end",
            "import hashlib\n    while True: hashlib.pbkdf2_hmac('sha256', b'x', b'y', 10 ** 9)",
        ),
        turns("system calls", "while True: os.getppid()"),
        wrong("a loop at import", "while True: pass", WANTED, allowed=TIMEOUT, timeout=0.5),
        wrong("a loop in the source", "x = [0 for _ in iter(int, 1)]", WANTED, allowed=TIMEOUT | MEMORY, timeout=0.5),
        wrong("a loop in a class body", "class A:\n    while True: pass", WANTED, allowed=TIMEOUT, timeout=0.5),
        wrong(
            "calls back and forth",
            "def answer(n=0):\n    while True:\n        n = other(n)\ndef other(n): return n + 1",
            WANTED,
            allowed=TIMEOUT,
            timeout=0.5,
        ),
        wrong(
            "time set back",
            "import time\ntime.time = time.monotonic = time.perf_counter = time.process_time = lambda: 0.0\ndef answer():\n    while True: pass",
            WANTED,
            allowed=TIMEOUT,
            timeout=0.5,
        ),
        wrong(
            "a slow answer to each of many tests",
            "def answer():\n    for _ in range(3_000_000): pass\n    return 977",
            *([WANTED] * 60),
            allowed=TIMEOUT,
            timeout=0.5,
        ),
    ),
    *group(
        "endless rest",
        rests("sleep", "time.sleep(1e6)"),
        rests("a lock that is held", "lock = threading.Lock(); lock.acquire(); lock.acquire()"),
        rests(
            "pause, signals blocked", "signal.pthread_sigmask(signal.SIG_BLOCK, set(signal.Signals)); signal.pause()"
        ),
        rests("stopped", "os.kill(os.getpid(), signal.SIGSTOP)"),
        rests("a pipe that nobody writes", "r, w = os.pipe(); os.read(r, 1)"),
        rests("select without end", "select.select([], [], [])"),
        rests("short sleeps", "while True: time.sleep(0.01)"),
        wrong("sleep at import", "import time\ntime.sleep(1e6)", WANTED, allowed=TIMEOUT, timeout=0.1),
        wrong(
            "a queue that stays empty",
            "import queue\ndef answer(): return queue.Queue().get()",
            WANTED,
            allowed=TIMEOUT,
            timeout=0.1,
        ),
        wrong(
            "sleep after each item",
            "import time\ndef answer():\n    while True:\n        time.sleep(0.05)\n        yield 1",
            "assert sum(answer()) == 977",
            allowed=TIMEOUT,
            timeout=0.1,
        ),
    ),
    *group(
        "memory bombs",
        eats("a bytearray", "kept = bytearray(4 << 30)"),
        eats("bytearrays, piece by piece", "kept = []\n    while True: kept.append(bytearray(16 << 20))"),
        eats("a list", "kept = [0] * 10 ** 9"),
        eats("a list, item by item", "kept = []\n    while True: kept.append((len(kept),) * 1000)"),
        eats("a text that doubles", "kept = 'x'\n    while True: kept += kept"),
        eats("a dict of lists", "kept = {}\n    while True: kept[len(kept)] = list(range(1000))"),
        eats("a large power", "kept = []\n    while True: kept.append(1 << (64 << 20))"),
        wrong("at import", "kept = bytearray(4 << 30)\ndef answer(): return 0", WANTED, allowed=MEMORY),
        wrong(
            "caught, and tried again",
            "def answer():\n    kept = []\n    for _ in range(1000):\n        try:\n            while True: kept.append(bytearray(64 << 20))\n        except MemoryError:\n            pass\n    return 0",
            WANTED,
            allowed=NO_PASS,
            timeout=0.5,
        ),
        wrong(
            "an anonymous map",
            "import mmap\ndef answer():\n    kept = mmap.mmap(-1, 8 << 30)\n    for at in range(0, 8 << 30, 4096): kept[at] = 1\n    return 977",
            WANTED,
            dangerous=True,
        ),
        wrong(
            "a map that grows",
            "import mmap\ndef answer():\n    kept = []\n    while True: kept.append(mmap.mmap(-1, 1 << 20)); kept[-1].write(b'x' * (1 << 20))",
            WANTED,
            dangerous=True,
        ),
        wrong(
            "by malloc",
            "import ctypes\ndef answer():\n    libc = ctypes.CDLL(None)\n    libc.malloc.restype = ctypes.c_void_p\n    kept = [libc.malloc(ctypes.c_size_t(1 << 24)) for _ in range(1024)]\n    for place in kept: ctypes.memset(place, 1, 1 << 24)\n    return 977",
            WANTED,
            dangerous=True,
        ),
        wrong(
            "in several threads",
            "import threading\ndef fill():\n    kept = []\n    while True: kept.append(bytearray(8 << 20))\ndef answer():\n    threads = [threading.Thread(target=fill) for _ in range(4)]\n    for thread in threads: thread.start()\n    for thread in threads: thread.join()\n    return 0",
            WANTED,
            dangerous=True,
        ),
        wrong(
            "a compressed bomb",
            "import zlib\ndef answer():\n    packed = zlib.compress(bytes(1 << 24))\n    return b''.join([zlib.decompress(packed)] * 256)",
            WANTED,
            allowed=MEMORY,
        ),
        wrong(
            "a regular expression of many repeats",
            "import re\ndef answer(): return re.compile('((a{1,9999}){1,9999}){1,9999}').match('b')",
            WANTED,
        ),
        right(
            "half a share",
            "def size():\n    kept = bytearray(128 << 20)\n    return len(kept) >> 20",
            "assert size() == 128",
        ),
        right(
            "an error that was handled",
            "def size():\n    try:\n        return len(bytearray(1 << 40))\n    except MemoryError:\n        return -1",
            "assert size() == -1",
        ),
    ),
    *group(
        "disk bombs",
        reach(
            "a large file",
            'with open("/tmp/{{MARK}}", "wb") as file:\n    for _ in range(256):\n        file.write(bytes(1 << 20))',
            dangerous=True,
        ),
        reach(
            "a large file, made by its end",
            'with open("/tmp/{{MARK}}", "wb") as file:\n    file.truncate(1 << 40)',
            dangerous=True,
        ),
        reach(
            "a large file by fallocate",
            'fd = os.open("/tmp/{{MARK}}", os.O_CREAT | os.O_RDWR)\nos.posix_fallocate(fd, 0, 1 << 30)',
            dangerous=True,
        ),
        reach(
            "many large files",
            'for n in range(64):\n    with open(f"/tmp/{{MARK}}-{n}", "wb") as file:\n        file.write(bytes(4 << 20))',
            dangerous=True,
        ),
        reach("many files", 'for n in range(20_000):\n    open(f"/tmp/{{MARK}}-{n}", "w").close()', dangerous=True),
        reach("many folders", 'for n in range(20_000):\n    os.mkdir(f"/tmp/{{MARK}}-{n}")', dangerous=True),
        reach(
            "many links",
            'open("/tmp/{{MARK}}", "w").close()\nfor n in range(20_000):\n    os.link("/tmp/{{MARK}}", f"/tmp/{{MARK}}-{n}")',
            dangerous=True,
        ),
        wrong(
            "folders without end",
            'import os\ndef answer():\n    os.chdir("/tmp")\n    while True:\n        os.mkdir("{{MARK}}")\n        os.chdir("{{MARK}}")',
            WANTED,
            dangerous=True,
            timeout=0.5,
        ),
        wrong(
            "open files without end",
            "import os\nkept = []\ndef answer():\n    while True: kept.append(os.dup(0))",
            WANTED,
        ),
        wrong(
            "a core of its own",
            "import os, resource\ntry:\n    resource.setrlimit(resource.RLIMIT_CORE, (resource.RLIM_INFINITY,) * 2)\nexcept (ValueError, OSError):\n    pass\ndef answer(): os.abort()",
            WANTED,
            dangerous=True,
        ),
    ),
    *group(
        "floods of output",
        wrong(
            "print without end", "def answer():\n    while True: print('x' * 1000)", WANTED, dangerous=True, timeout=0.5
        ),
        wrong(
            "large writes without end",
            "import os\ndef answer():\n    while True: os.write(1, bytes(1 << 20))",
            WANTED,
            dangerous=True,
            timeout=0.5,
        ),
        wrong(
            "to both streams without end",
            "import os\ndef answer():\n    while True: os.write(1, b'o' * 4096); os.write(2, b'e' * 4096)",
            WANTED,
            dangerous=True,
            timeout=0.5,
        ),
        wrong("one print of a gigabyte", "def answer(): print('x' * (1 << 30))", WANTED),
        wrong("floods and leaves", "import os\nos.write(1, b'x' * (4 << 20))\nos._exit(0)", WANTED),
        right(
            "five megabytes and a right answer",
            "import sys\ndef double(x):\n    print('x' * (4 << 20))\n    print('y' * (1 << 20), file=sys.stderr)\n    return 2 * x",
            DOUBLED,
        ),
        right(
            "a hundred thousand lines and a right answer",
            "def double(x):\n    for n in range(100_000): print(n)\n    return 2 * x",
            DOUBLED,
            prints="1\n2\n3",
        ),
        right(
            "bytes that are no text",
            "import os, sys\ndef double(x):\n    os.write(1, bytes(range(256)))\n    sys.stdout.buffer.write(b'\\xff\\xfe')\n    return 2 * x",
            DOUBLED,
        ),
        right(
            "lone surrogates",
            "def double(x):\n    print('\\ud800', '\\udcff')\n    return 2 * x",
            DOUBLED,
        ),
        right(
            "null bytes and escapes",
            "def double(x):\n    print('\\0\\x1b[2J\\x07\\r')\n    return 2 * x",
            DOUBLED,
        ),
        right(
            "no end of line, unflushed",
            "import sys\nsys.stdout.write('begun')\ndef double(x): return 2 * x",
            DOUBLED,
            prints="begun",
        ),
    ),
    *group(
        "deep stacks",
        wrong("recursion without end", "def answer(): return answer()", WANTED, allowed=ERROR),
        wrong(
            "recursion with a raised limit",
            "import sys\nsys.setrecursionlimit(10**9)\ndef answer(): return answer()",
            WANTED,
            timeout=0.5,
        ),
        wrong(
            "recursion in C",
            "import sys\nsys.setrecursionlimit(10**9)\ndef answer():\n    class A:\n        def __repr__(self): return repr([self])\n    return repr(A())",
            WANTED,
        ),
        wrong(
            "recursion in a comparison",
            "import sys\nsys.setrecursionlimit(10**9)\ndef answer():\n    a = []\n    b = []\n    for _ in range(10**6): a, b = [a], [b]\n    return a == b",
            WANTED,
        ),
        wrong(
            "recursion in a thread of a large stack",
            "import sys, threading\nsys.setrecursionlimit(10**9)\nthreading.stack_size(64 << 20)\ndef down(n): return down(n + 1)\ndef answer():\n    t = threading.Thread(target=down, args=(0,))\n    t.start()\n    t.join()\n    return 0",
            WANTED,
            dangerous=True,
            timeout=0.5,
        ),
        wrong(
            "recursion caught and begun again",
            "def answer():\n    try:\n        return answer()\n    except RecursionError:\n        return answer()",
            WANTED,
            timeout=0.5,
        ),
        wrong(
            "a limit of nothing",
            "import sys\ndef answer():\n    sys.setrecursionlimit(len(__import__('inspect').stack()) + 5)\n    return 0",
            WANTED,
        ),
        wrong(
            "a destructor of a long chain",
            "def answer():\n    x = None\n    for _ in range(10**6): x = (x,)\n    del x\n    return 0",
            WANTED,
        ),
        right(
            "nine hundred deep", "def depth(n): return 0 if n == 0 else 1 + depth(n - 1)", "assert depth(900) == 900"
        ),
        right(
            "ten thousand deep, by leave",
            "import sys\nsys.setrecursionlimit(20_000)\ndef depth(n): return 0 if n == 0 else 1 + depth(n - 1)",
            "assert depth(10_000) == 10_000",
        ),
        loose("a trampoline", "def double(x): return (lambda: 2 * x)()", DOUBLED),
    ),
)
