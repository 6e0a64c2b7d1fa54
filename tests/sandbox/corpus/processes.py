"""Processes, threads and signals: what starts them, what they outlive, whom they strike."""

from __future__ import annotations

from .entry import DOUBLED, WANTED, Entry, group, loose, reach, right, wrong

STAY = """
def stay():
    try:
        with open("/proc/self/comm", "w") as file:
            file.write("{{MARK}}")
    except OSError:
        pass
    import sys, time
    try:
        os.execve(sys.executable, [sys.executable, "-c", "import time; time.sleep(20)", "{{MARK}}"], {"MARK": "{{MARK}}"})
    except OSError:
        time.sleep(20)
    os._exit(0)
"""
OWNED = 'os.kill(int("{{PARENT_PID}}"), 0)\n'


def spawn(name: str, body: str, *, dangerous: bool = False) -> Entry:
    """Starts a process that is gone at once."""
    return reach(name, body, dangerous=dangerous)


def daemon(name: str, body: str) -> Entry:
    """Starts a process that outlives the run, and gives the right answer all the same."""
    return wrong(
        name,
        f"import os, sys\n{STAY}\ndef reach():\n{body}\n    return True\n",
        "assert reach() is True",
        dangerous=True,
    )


def strike(name: str, target: str, number: str) -> Entry:
    body = f"import signal\nfor pid in {target}:\n    os.kill(pid, signal.{number})\n"
    return reach(name, body, leak="signal", dangerous=number != "SIGURG")


def shoot(name: str, targets: str, number: str = "SIGKILL", *, dangerous: bool = True) -> Entry:
    """Strikes all it can, and answers wrongly should it live."""
    code = f"""
import os, signal
def answer():
    for pid in {targets}:
        try:
            os.kill(pid, signal.{number})
        except OSError:
            pass
    return 0
"""
    return wrong(name, code, WANTED, leak="signal", dangerous=dangerous)


ENTRIES = (
    *group(
        "new processes",
        spawn("fork", "pid = os.fork()\nif pid == 0:\n    os._exit(0)\nos.waitpid(pid, 0)"),
        spawn("forkpty", "import pty\npid, fd = pty.fork()\nif pid == 0:\n    os._exit(0)\nos.waitpid(pid, 0)"),
        spawn(
            "fork by number",
            "pid = syscall(57, 220, 17, 0, 0, 0, 0)\nif pid == 0:\n    os._exit(0)\nos.waitpid(pid, 0)",
        ),
        spawn(
            "fork by libc",
            "pid = ctypes.CDLL(None).fork()\nif pid == 0:\n    os._exit(0)\nassert pid > 0\nos.waitpid(pid, 0)",
        ),
        spawn(
            "clone by number",
            "pid = syscall(56, 220, 17, 0, 0, 0, 0)\nif pid == 0:\n    os._exit(0)\nos.waitpid(pid, 0)",
        ),
        spawn(
            "clone3 by number",
            "room = ctypes.create_string_buffer(bytes(32) + (17).to_bytes(8, 'little') + bytes(48), 88)\npid = syscall(435, 435, ctypes.c_void_p(ctypes.addressof(room)), 64)\nif pid == 0:\n    os._exit(0)\nos.waitpid(pid, 0)",
        ),
        spawn("subprocess", "import subprocess\nsubprocess.run(['/bin/true'], check=True)"),
        spawn("os.system", "assert os.system('true') == 0"),
        spawn("os.popen", "assert os.popen('echo 1').read() == '1\\n'"),
        spawn("posix_spawn", "pid = os.posix_spawn('/bin/true', ['true'], {})\nassert os.waitpid(pid, 0)[1] == 0"),
        spawn(
            "multiprocessing by fork",
            "import multiprocessing\np = multiprocessing.get_context('fork').Process(target=int)\np.start()\np.join()\nassert p.exitcode == 0",
        ),
        spawn(
            "multiprocessing by spawn", "import subprocess\nsubprocess.run([sys.executable, '-c', 'pass'], check=True)"
        ),
        spawn(
            "a pool of processes",
            "from concurrent.futures import ProcessPoolExecutor\nimport multiprocessing\nwith ProcessPoolExecutor(1, mp_context=multiprocessing.get_context('fork')) as pool:\n    assert pool.submit(abs, -1).result() == 1",
        ),
        spawn(
            "asyncio's processes",
            "import asyncio\nasync def main():\n    p = await asyncio.create_subprocess_exec('/bin/true')\n    return await p.wait()\nassert asyncio.run(main()) == 0",
        ),
        wrong("exec in its place", "import os\ndef answer(): os.execv('/bin/true', ['true'])", WANTED),
        wrong(
            "exec of an interpreter that answers",
            "import os, sys\ndef answer(): os.execv(sys.executable, [sys.executable, '-c', 'print(1)'])",
            WANTED,
        ),
        wrong(
            "exec of a file in memory",
            "import os\ndef answer():\n    fd = os.memfd_create('x', 0)\n    os.write(fd, open('/bin/true', 'rb').read())\n    os.execve(fd, ['true'], {})",
            WANTED,
        ),
        wrong(
            "exec of the loader",
            "import glob, os\ndef answer():\n    for name in glob.glob('/lib*/ld-linux*') + glob.glob('/lib/*/ld-linux*'):\n        os.execv(name, ['ld', '/bin/true'])",
            WANTED,
        ),
        wrong(
            "the child answers for its parent",
            "import os\ndef answer():\n    if os.fork():\n        os._exit(0)\n    return 0",
            WANTED,
            dangerous=True,
        ),
        wrong(
            "both parent and child answer",
            "import os\ndef answer():\n    os.fork()\n    return 0",
            WANTED,
            dangerous=True,
        ),
        wrong("a fork at import", "import os\nos.fork()\ndef answer(): return 0", WANTED, dangerous=True),
    ),
    *group(
        "processes that stay",
        daemon("a child", "    if os.fork() == 0:\n        stay()"),
        daemon(
            "a grandchild of a session of its own",
            "    if os.fork() == 0:\n        os.setsid()\n        if os.fork() == 0:\n            stay()\n        os._exit(0)\n    os.wait()",
        ),
        daemon(
            "a child that holds the output open",
            "    if os.fork() == 0:\n        os.setsid()\n        stay()\n    print('parent')",
        ),
        daemon(
            "a child without descriptors",
            "    if os.fork() == 0:\n        os.closerange(0, 256)\n        os.setsid()\n        stay()",
        ),
        daemon(
            "a detached process",
            "    import subprocess\n    subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(20)', '{{MARK}}'], start_new_session=True)",
        ),
        daemon(
            "a process of multiprocessing",
            "    import multiprocessing\n    multiprocessing.get_context('fork').Process(target=stay, daemon=False).start()",
        ),
        daemon(
            "a child that ignores signals",
            "    import signal\n    if os.fork() == 0:\n        for number in set(signal.Signals) - {signal.SIGKILL, signal.SIGSTOP}:\n            signal.signal(number, signal.SIG_IGN)\n        stay()",
        ),
        daemon(
            "a stopped child",
            "    import signal\n    if os.fork() == 0:\n        signal.raise_signal(signal.SIGSTOP)\n        stay()",
        ),
        daemon(
            "a child by libc",
            "    import ctypes\n    pid = ctypes.CDLL(None).fork()\n    assert pid >= 0\n    if pid == 0:\n        stay()",
        ),
        loose(
            "a child as the run ends",
            f"import atexit, os\n{STAY}\natexit.register(lambda: os.fork() or stay())\ndef double(x): return 2 * x",
            DOUBLED,
            dangerous=True,
        ),
    ),
    *group(
        "bombs of processes and threads",
        wrong(
            "forks for ever",
            "import os\ndef answer():\n    while True:\n        os.fork()",
            WANTED,
            dangerous=True,
            timeout=1.0,
        ),
        wrong(
            "forks whatever happens",
            "import os\ndef answer():\n    while True:\n        try:\n            os.fork()\n        except OSError:\n            pass",
            WANTED,
            dangerous=True,
            timeout=0.5,
        ),
        wrong(
            "shells for ever",
            "import subprocess\ndef answer():\n    while True:\n        try:\n            subprocess.Popen(['sh', '-c', 'sleep 1'])\n        except OSError:\n            pass",
            WANTED,
            dangerous=True,
            timeout=0.5,
        ),
        wrong(
            "threads for ever",
            "import threading, time\ndef answer():\n    while True:\n        threading.Thread(target=time.sleep, args=(1000,), daemon=True).start()",
            WANTED,
            dangerous=True,
            timeout=1.0,
        ),
        wrong(
            "threads whatever happens",
            "import threading, time\ndef answer():\n    while True:\n        try:\n            threading.Thread(target=time.sleep, args=(1000,), daemon=True).start()\n        except (RuntimeError, MemoryError):\n            pass",
            WANTED,
            dangerous=True,
            timeout=0.5,
        ),
        wrong(
            "threads that make threads",
            "import _thread\ndef more():\n    while True:\n        try:\n            _thread.start_new_thread(more, ())\n        except (RuntimeError, MemoryError):\n            pass\ndef answer():\n    more()",
            WANTED,
            dangerous=True,
            timeout=0.5,
        ),
        wrong(
            "large stacks of threads",
            "import threading, time\nthreading.stack_size(256 << 20)\ndef answer():\n    for _ in range(64):\n        threading.Thread(target=time.sleep, args=(1000,), daemon=True).start()\n    return 977",
            WANTED,
            dangerous=True,
            timeout=0.5,
        ),
    ),
    *group(
        "threads that go on",
        loose(
            "a thread that turns",
            "import threading\ndef turn():\n    while True: pass\nthreading.Thread(target=turn, daemon=True).start()\ndef double(x): return 2 * x",
            DOUBLED,
            timeout=0.5,
        ),
        loose(
            "a thread that sleeps and is waited for",
            "import threading, time\nthreading.Thread(target=time.sleep, args=(1000,)).start()\ndef double(x): return 2 * x",
            DOUBLED,
            timeout=0.3,
        ),
        loose(
            "a thread that prints",
            "import threading\ndef turn():\n    while True: print('x' * 100)\nthreading.Thread(target=turn, daemon=True).start()\ndef double(x): return 2 * x",
            DOUBLED,
            timeout=0.5,
        ),
        loose(
            "a thread that holds the interpreter",
            "import threading\nthreading.Thread(target=lambda: 10 ** 10 ** 8, daemon=True).start()\ndef double(x): return 2 * x",
            DOUBLED,
            timeout=0.5,
        ),
        wrong(
            "a thread that answers later",
            "import threading, time\nbox = [0]\ndef fill():\n    time.sleep(0.2)\n    box[0] = 977\ndef answer():\n    threading.Thread(target=fill, daemon=True).start()\n    return box[0]",
            WANTED,
        ),
        wrong(
            "a thread that changes what was returned",
            "import threading\nclass A: value = 0\nkept = A()\ndef turn():\n    while True: kept.value += 1\nthreading.Thread(target=turn, daemon=True).start()\ndef answer(): return kept",
            "x = answer()\nassert x.value == x.value == -1",
            timeout=0.5,
        ),
        right(
            "threads that have ended",
            "import threading\ndef total(numbers):\n    sums = []\n    threads = [threading.Thread(target=lambda n=n: sums.append(n)) for n in numbers]\n    for thread in threads: thread.start()\n    for thread in threads: thread.join()\n    return sum(sums)",
            "assert total([1, 2, 3, 4]) == 10",
        ),
    ),
    *group(
        "signals to others",
        strike("a harmless one to the host", 'int("{{PARENT_PID}}"),', "SIGURG"),
        shoot("a harmless one to the parent", "(os.getppid(),)", "SIGURG", dangerous=False),
        shoot("a harmless one to all", "(-1,)", "SIGURG"),
        shoot("a harmless one to every number", "range(1, 40_000)", "SIGURG"),
        wrong(
            "a harmless one by the alarm of an owner",
            "import fcntl, os, signal\ndef answer():\n    r, w = os.pipe()\n    fcntl.fcntl(r, fcntl.F_SETOWN, int('{{PARENT_PID}}'))\n    fcntl.fcntl(r, fcntl.F_SETSIG, signal.SIGURG)\n    fcntl.fcntl(r, fcntl.F_SETFL, os.O_ASYNC)\n    os.write(w, b'x')\n    return 0",
            WANTED,
            leak="signal",
        ),
        reach(
            "by pidfd to the host",
            'import signal\nfd = os.pidfd_open(int("{{PARENT_PID}}"))\nsignal.pidfd_send_signal(fd, signal.SIGURG)',
            leak="signal",
        ),
        reach(
            "by tgkill to the host",
            'syscall(234, 131, int("{{PARENT_PID}}"), int("{{PARENT_PID}}"), 23)',
            leak="signal",
        ),
        reach(
            "by rt_sigqueueinfo to the host",
            'info = ctypes.create_string_buffer((23).to_bytes(4, "little") + bytes(4) + (2**32 - 1).to_bytes(4, "little"), 128)\nsyscall(129, 138, int("{{PARENT_PID}}"), 23, ctypes.c_void_p(ctypes.addressof(info)))',
            leak="signal",
        ),
        reach("whether the host is there", OWNED),
        reach("SIGKILL to a bystander", 'os.kill(int("{{BYSTANDER}}"), 9)', leak="bystander"),
        reach("SIGSTOP to a bystander", 'os.kill(int("{{BYSTANDER}}"), 19)', leak="bystander"),
        reach(
            "SIGKILL to a bystander by tgkill",
            'syscall(234, 131, int("{{BYSTANDER}}"), int("{{BYSTANDER}}"), 9)',
            leak="bystander",
        ),
        reach(
            "SIGKILL to a bystander by pidfd",
            'syscall(424, 424, os.pidfd_open(int("{{BYSTANDER}}")), 9, 0, 0)',
            leak="bystander",
        ),
        shoot("SIGKILL to the parent", "(os.getppid(),)"),
        shoot("SIGKILL to the host", 'range(int("{{PARENT_PID}}"), int("{{PARENT_PID}}") + 1)'),
        shoot("SIGKILL to the first process", "(1,)"),
        shoot("SIGKILL to all", "(-1,)"),
        shoot("SIGKILL to its group", "(0,)"),
        shoot("SIGKILL to every number but its own", "set(range(1, 5_000)) - {os.getpid()}"),
        shoot("SIGSTOP to all", "(-1,)", "SIGSTOP"),
        shoot("SIGSTOP to the parent and the first", "(os.getppid(), 1)", "SIGSTOP"),
        shoot("SIGTERM to the parent's group", "(-os.getpgid(os.getppid()) if os.getppid() else 0,)", "SIGTERM"),
        shoot("SIGINT to the parent", "(os.getppid(),)", "SIGINT"),
    ),
    *group(
        "a hand on other processes",
        reach(
            "ptrace of a bystander",
            'pid = int("{{BYSTANDER}}")\nsyscall(101, 117, 16, pid, 0, 0)\nos.waitpid(pid, 0x40000000)\nsyscall(101, 117, 17, pid, 0, 0)',
        ),
        reach("ptrace of the parent", "syscall(101, 117, 0x4206, os.getppid(), 0, 0)", dangerous=True),
        reach("memory of a bystander", 'open("/proc/{{BYSTANDER}}/mem", "r+b").close()'),
        reach("ptrace by consent", "syscall(101, 117, 0, 0, 0, 0)"),
        reach("memory of the host", 'open("/proc/{{PARENT_PID}}/mem", "rb").close()'),
        reach("memory of the parent for writing", 'open(f"/proc/{os.getppid()}/mem", "r+b").close()'),
        reach(
            "process_vm_readv of itself",
            "room = (ctypes.c_uint64 * 4)()\nspan = (ctypes.c_uint64 * 2)(ctypes.addressof(room), 16)\nassert syscall(310, 270, os.getpid(), ctypes.c_void_p(ctypes.addressof(span)), 1, ctypes.c_void_p(ctypes.addressof(span)), 1, 0) == 16",
        ),
        reach("a descriptor of the host", 'fd = os.pidfd_open(int("{{PARENT_PID}}"))\nsyscall(438, 438, fd, 0, 0)'),
        reach(
            "limits of the host",
            'import resource\nresource.prlimit(int("{{PARENT_PID}}"), resource.RLIMIT_CORE, resource.prlimit(int("{{PARENT_PID}}"), resource.RLIMIT_CORE))',
        ),
        reach(
            "priority of the host",
            'os.setpriority(os.PRIO_PROCESS, int("{{PARENT_PID}}"), os.getpriority(os.PRIO_PROCESS, int("{{PARENT_PID}}")))',
        ),
        reach(
            "processors of the host",
            'os.sched_setaffinity(int("{{PARENT_PID}}"), os.sched_getaffinity(int("{{PARENT_PID}}")))',
        ),
        reach(
            "scheduling of the host", 'os.sched_setscheduler(int("{{PARENT_PID}}"), os.SCHED_OTHER, os.sched_param(0))'
        ),
        reach("the out-of-memory score of the host", 'open("/proc/{{PARENT_PID}}/oom_score_adj").read()'),
        reach("descriptors of the host", 'os.listdir("/proc/{{PARENT_PID}}/fd")'),
        reach("the root of the host", 'os.listdir("/proc/{{PARENT_PID}}/root/etc")'),
        reach("the root of the first process", 'assert os.path.exists("/proc/1/root/etc/passwd")'),
    ),
)
