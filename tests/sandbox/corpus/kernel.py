"""Ways out by the machine's files, the kernel's side doors, and raw memory."""

from __future__ import annotations

from .entry import DOUBLED, WANTED, Entry, group, loose, reach, right, wrong


def write(name: str, path: str) -> Entry:
    """Makes a file that the harness would find."""
    return reach(
        name,
        f"with open(os.path.expanduser({path!r}), 'w') as file:\n    file.write('{{{{MARK}}}}')",
        leak="touched",
        dangerous=True,
    )


def alter(name: str, body: str) -> Entry:
    """Changes the planted file or folder, which anybody may write."""
    return reach(name, body, leak="touched")


def call(name: str, x86_64: int, aarch64: int, *args: object) -> Entry:
    """A system call that has no business here; one the kernel lacks is stopped too."""
    return reach(name, f"syscall({', '.join(map(str, (x86_64, aarch64, *args)))})")


ROOM = "room = ctypes.create_string_buffer(4096)\nplace = ctypes.c_void_p(ctypes.addressof(room))\n"

ENTRIES = (
    *group(
        "writes outside",
        write("to the home", "~/{{MARK}}"),
        write("to the host's home", "{{HOME}}/{{MARK}}"),
        write("to the host's working folder", "{{CWD}}/{{MARK}}"),
        write("to the open folder", "{{FOLDER}}/{{MARK}}"),
        write("to the root", "/{{MARK}}"),
        write("to the root of the home of root", "/root/{{MARK}}"),
        write("to /usr/lib", "/usr/lib/{{MARK}}"),
        write("to /etc", "/etc/{{MARK}}"),
        write("to the library of Python", "{{LIBRARY}}/{{MARK}}.py"),
        write("through the first process", "/proc/1/root/tmp/{{MARK}}"),
        loose(
            "to /tmp, which may be its own",
            'open("/tmp/{{MARK}}", "w").close()\ndef double(x): return 2 * x',
            DOUBLED,
            dangerous=True,
        ),
        loose(
            "to /var/tmp, which may be its own",
            'import os\nif os.path.isdir("/var/tmp"):\n    open("/var/tmp/{{MARK}}", "w").close()\ndef double(x): return 2 * x',
            DOUBLED,
            dangerous=True,
        ),
        loose(
            "to /dev/shm, which may be its own",
            'import os\nif os.path.isdir("/dev/shm"):\n    open("/dev/shm/{{MARK}}", "w").close()\ndef double(x): return 2 * x',
            DOUBLED,
            dangerous=True,
        ),
        loose(
            "to its working folder, which may be its own",
            'open("{{MARK}}", "w").close()\ndef double(x): return 2 * x',
            DOUBLED,
            dangerous=True,
        ),
        alter("the open file, rewritten", 'open("{{OPEN_FILE}}", "w").write("x")'),
        alter("the open file, appended to", 'open("{{OPEN_FILE}}", "a").write("x")'),
        alter("the open file, cut", 'os.truncate("{{OPEN_FILE}}", 0)'),
        alter("the open file, removed", 'os.unlink("{{OPEN_FILE}}")'),
        alter("the open file, renamed", 'os.rename("{{OPEN_FILE}}", "{{OPEN_FILE}}.old")'),
        alter("the open file's rights", 'os.chmod("{{OPEN_FILE}}", 0o600)'),
        alter("the open file's owner", 'os.chown("{{OPEN_FILE}}", 1, 1)'),
        alter("the open file's time", 'os.utime("{{OPEN_FILE}}", (1, 1))'),
        alter("the open file's attributes", 'os.setxattr("{{OPEN_FILE}}", "user.x", b"x")'),
        alter("a folder in the open folder", 'os.mkdir("{{FOLDER}}/{{MARK}}-folder")'),
        alter("a link in the open folder", 'os.symlink("/", "{{FOLDER}}/{{MARK}}-link")'),
        alter("a pipe in the open folder", 'os.mkfifo("{{FOLDER}}/{{MARK}}-pipe")'),
        alter("the open folder's rights", 'os.chmod("{{FOLDER}}", 0o700)'),
        reach(
            "a set-uid file",
            'open("{{FOLDER}}/{{MARK}}-suid", "w").close()\nos.chmod("{{FOLDER}}/{{MARK}}-suid", 0o4755)',
            leak="touched",
        ),
        reach(
            "a device of its own",
            'os.mknod("/tmp/{{MARK}}", 0o20666, os.makedev(1, 1))\nos.close(os.open("/tmp/{{MARK}}", os.O_RDONLY))',
            dangerous=True,
        ),
        reach("the kernel's settings", 'open("/proc/sys/kernel/core_pattern", "r+").close()'),
        reach("groups of processes", 'os.mkdir("/sys/fs/cgroup/{{MARK}}")', dangerous=True),
        reach("the rights of its root", 'os.chmod("/", os.stat("/").st_mode & 0o7777)'),
    ),
    *group(
        "the kernel's side doors",
        call("unshare of the user's namespace", 272, 97, 0x10000000),
        call("unshare of mounts", 272, 97, 0x00020000),
        call("unshare of the network", 272, 97, 0x40000000),
        reach(
            "a user's namespace by clone",
            "pid = syscall(56, 220, 0x10000000 | 17, 0, 0, 0, 0)\nif pid == 0:\n    os._exit(0)\nos.waitpid(pid, 0)",
        ),
        reach("setns to the first process", 'syscall(308, 268, os.open("/proc/1/ns/mnt", os.O_RDONLY), 0)'),
        reach(
            "mount of a tmpfs",
            'libc = ctypes.CDLL(None, use_errno=True)\nassert libc.mount(b"x", b"{{FOLDER}}", b"tmpfs", 0, None) == 0',
            dangerous=True,
        ),
        reach(
            "mount of /proc",
            'libc = ctypes.CDLL(None, use_errno=True)\nassert libc.mount(b"proc", b"/tmp", b"proc", 0, None) == 0',
            dangerous=True,
        ),
        reach(
            "mount of the root for writing",
            'libc = ctypes.CDLL(None, use_errno=True)\nassert libc.mount(None, b"/", None, 32, None) == 0',
            dangerous=True,
        ),
        reach(
            "umount, marked only",
            'libc = ctypes.CDLL(None, use_errno=True)\nlibc.umount2(b"/proc", 4)\nassert ctypes.get_errno() in (11, 16)',
            dangerous=True,
        ),
        call("fsopen", 430, 430, 'ctypes.c_char_p(b"tmpfs")', 0),
        call("open_tree", 428, 428, -100, 'ctypes.c_char_p(b"/")', 1),
        reach("chroot", 'os.chroot("/tmp")'),
        reach("pivot_root", 'syscall(155, 41, ctypes.c_char_p(b"/"), ctypes.c_char_p(b"/"))', dangerous=True),
        call("a keyring", 250, 219, 1, 0),
        reach(
            "a key",
            'syscall(248, 217, ctypes.c_char_p(b"user"), ctypes.c_char_p(b"{{MARK}}"), ctypes.c_char_p(b"x"), 1, -2)',
        ),
        reach("io_uring", ROOM + "syscall(425, 425, 4, place)"),
        reach(
            "bpf",
            ROOM
            + "room.raw = (1).to_bytes(4, 'little') + (4).to_bytes(4, 'little') + (4).to_bytes(4, 'little') + (1).to_bytes(4, 'little') + bytes(4080)\nsyscall(321, 280, 0, place, 48)",
        ),
        reach(
            "perf_event_open",
            ROOM
            + "room.raw = (1).to_bytes(4, 'little') + (112).to_bytes(4, 'little') + bytes(4088)\nsyscall(298, 241, place, 0, -1, -1, 0)",
        ),
        call("userfaultfd", 323, 282, 1),
        reach("memfd_create", "os.memfd_create('x')"),
        reach("a secret memory", "syscall(447, 447, 0)"),
        reach("System V shared memory", "syscall(31, 195, syscall(29, 194, 0, 4096, 0o1600), 0, 0)"),
        reach("a System V queue", "syscall(71, 187, syscall(68, 186, 0, 0o1600), 0, 0)"),
        reach("System V semaphores", "syscall(66, 191, syscall(64, 190, 0, 1, 0o1600), 0, 0)"),
        reach(
            "a POSIX queue",
            "syscall(240, 180, ctypes.c_char_p(b'{{MARK}}'), 0o102, 0o600, 0)\nsyscall(241, 181, ctypes.c_char_p(b'{{MARK}}'))",
        ),
        call("personality without random places", 135, 92, 0x0040000),
        call("kcmp of a bystander", 312, 272, "int('{{BYSTANDER}}')", "os.getpid()", 0, 0, 0),
        call("a module of the kernel", 313, 273, 0, 'ctypes.c_char_p(b"")', 0),
        call("fanotify", 300, 262, 0, 0),
        call("prctl that outlives its parent", 157, 167, 1, 0, 0, 0, 0),
        call("prctl that takes in orphans", 157, 167, 36, 1, 0, 0, 0),
        reach(
            "a higher limit of memory",
            "import resource\nresource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY,) * 2)",
        ),
        reach(
            "a higher limit of time",
            "import resource\nresource.setrlimit(resource.RLIMIT_CPU, (resource.RLIM_INFINITY,) * 2)",
        ),
        reach(
            "a higher limit of files",
            "import resource\nresource.setrlimit(resource.RLIMIT_NOFILE, (1 << 19,) * 2)\nassert resource.getrlimit(resource.RLIMIT_NOFILE)[0] == 1 << 19\nassert [os.dup(0) for _ in range(5_000)]",
        ),
        reach("a higher priority", "os.nice(-5)"),
        reach("real time", "os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))"),
        reach("another user", "os.setresuid(1, 1, 1)"),
        reach("root again, and its files", "os.setresuid(0, 0, 0)\nopen('/etc/shadow').close()"),
        reach("another group", "os.setgroups([1])"),
        reach("the name of the machine", "assert ctypes.CDLL(None).sethostname(b'{{MARK}}', 6) == 0", dangerous=True),
        reach("the clock", "import time\ntime.clock_settime(time.CLOCK_REALTIME, time.time())", dangerous=True),
        reach("a restart", "import ctypes\nassert ctypes.CDLL(None, use_errno=True).reboot(0) == 0", dangerous=True),
        loose(
            "its own affinity",
            "import os\ntry:\n    os.sched_setaffinity(0, {0})\nexcept OSError:\n    pass\ndef double(x): return 2 * x",
            DOUBLED,
        ),
        loose(
            "its own niceness",
            "import os\ntry:\n    os.nice(19)\nexcept OSError:\n    pass\ndef double(x): return 2 * x",
            DOUBLED,
        ),
        loose(
            "its own limits, lowered",
            "import resource\nfor kind in (resource.RLIMIT_NOFILE, resource.RLIMIT_FSIZE, resource.RLIMIT_STACK):\n    try:\n        resource.setrlimit(kind, (0, 0))\n    except (OSError, ValueError):\n        pass\ndef double(x): return 2 * x",
            DOUBLED,
        ),
        wrong(
            "a filter of its own that kills",
            "import ctypes\nlibc = ctypes.CDLL(None, use_errno=True)\nlibc.prctl(38, 1, 0, 0, 0)\nlibc.prctl(22, 1, 0, 0, 0)\ndef answer(): return 0",
            WANTED,
        ),
        right(
            "what it may know of itself",
            "import os, sys, time\ndef known(): return os.getpid() > 0 and time.time() > 0 and os.getuid() >= 0 and sys.platform == 'linux'",
            "assert known()",
        ),
    ),
    *group(
        "games with memory",
        wrong(
            "one number made another",
            "import ctypes\nctypes.memmove(id(7) + 24, id(8) + 24, 4)\ndef answer(): return 8",
            "assert answer() == 7",
        ),
        wrong(
            "False made True",
            "import ctypes\nctypes.memmove(id(False), id(True), 28)\ndef answer(): return False",
            "assert answer() is True or answer() == 1",
        ),
        wrong(
            "a type's comparison overwritten",
            "import ctypes\nclass Same:\n    def __eq__(self, other): return True\ndef slot(kind): return id(kind) + 200\nctypes.memmove(slot(int), slot(Same), 8)\ndef answer(): return 0",
            "x = answer()\nassert x == 977",
        ),
        wrong(
            "all memory overwritten",
            "import ctypes\ndef answer():\n    ctypes.memset(id(answer), 0xff, 1 << 24)\n    return 0",
            WANTED,
        ),
        wrong(
            "reference counts taken",
            "import ctypes\ndef answer():\n    for thing in (None, True, int, dict, type): ctypes.memset(id(thing), 0, 8)\n    return {None: True}",
            WANTED,
        ),
        wrong(
            "an exit in machine code",
            "import ctypes, mmap, os\ndef answer():\n    room = mmap.mmap(-1, 4096, prot=7)\n    room.write(bytes.fromhex('b8e7000000 31ff 0f05') if os.uname().machine == 'x86_64' else bytes.fromhex('000080d2 c80b80d2 010000d4'))\n    ctypes.CFUNCTYPE(None)(ctypes.addressof(ctypes.c_char.from_buffer(room)))()",
            WANTED,
        ),
        wrong(
            "the end of the interpreter",
            "import ctypes\ndef answer(): ctypes.pythonapi.Py_Exit(0)",
            WANTED,
        ),
        wrong(
            "the interpreter taken down",
            "import ctypes\ndef answer(): ctypes.pythonapi.Py_FinalizeEx()",
            WANTED,
        ),
        wrong(
            "another interpreter",
            "import ctypes\ndef answer():\n    ctypes.pythonapi.Py_NewInterpreter()\n    return 0",
            WANTED,
        ),
        wrong(
            "a pending call that leaves",
            "import ctypes, os\nleave = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p)(lambda _: os._exit(0))\ndef answer():\n    ctypes.pythonapi.Py_AddPendingCall(leave, None)\n    return 0",
            "x = answer()\nassert x == 977",
        ),
    ),
)
