"""Ways out: the network, secrets, the machine's files, and the kernel's side doors."""

from __future__ import annotations

from .entry import Canary, Entry, group, reach, steal


def dial(name: str, body: str, leak: Canary = "", *, dangerous: bool = False) -> Entry:
    return reach(name, "import socket\n" + body, leak=leak, dangerous=dangerous)


CODE = """
import mmap
room = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
room.write(bytes.fromhex("{code}"))
enter = ctypes.CFUNCTYPE(ctypes.c_long)(ctypes.addressof(ctypes.c_char.from_buffer(room)))
assert os.uname().machine == "x86_64" and 0 <= enter() < 1 << 16
"""
SOCKET_32 = "53 b867010000 bb02000000 b901000000 31d2 cd80 5b 48 98 c3"

ENTRIES = (
    *group(
        "network",
        dial("TCP to loopback", 'socket.create_connection(("127.0.0.1", int("{{TCP_PORT}}")), 1).sendall(b"x")', "tcp"),
        dial(
            "TCP over IPv6",
            'socket.create_connection(("::ffff:127.0.0.1", int("{{TCP_PORT}}")), 1).sendall(b"x")',
            "tcp",
        ),
        dial("TCP to the name localhost", 'socket.create_connection(("localhost", int("{{TCP_PORT}}")), 1)', "tcp"),
        dial(
            "TCP, not waiting",
            's = socket.socket()\ns.setblocking(False)\nassert s.connect_ex(("127.0.0.1", int("{{TCP_PORT}}"))) in (0, 115)',
            "tcp",
        ),
        dial(
            "TCP fast open",
            's = socket.socket()\ns.sendto(b"x", 0x20000000, ("127.0.0.1", int("{{TCP_PORT}}")))',
            "tcp",
        ),
        dial(
            "UDP to loopback",
            'socket.socket(type=socket.SOCK_DGRAM).sendto(b"x", ("127.0.0.1", int("{{UDP_PORT}}")))',
            "udp",
        ),
        dial(
            "UDP by sendmsg",
            's = socket.socket(type=socket.SOCK_DGRAM)\ns.sendmsg([b"x"], [], 0, ("127.0.0.1", int("{{UDP_PORT}}")))',
            "udp",
        ),
        dial(
            "UDP, bound and connected",
            's = socket.socket(type=socket.SOCK_DGRAM)\ns.bind(("", 0))\ns.connect(("127.0.0.1", int("{{UDP_PORT}}")))\ns.send(b"x")',
            "udp",
        ),
        dial("a unix socket of a path", 'socket.socket(socket.AF_UNIX).connect("{{UNIX_PATH}}")', "unix"),
        dial("an abstract unix socket", 'socket.socket(socket.AF_UNIX).connect("\\0{{ABSTRACT}}")', "abstract"),
        dial("a listener", 's = socket.socket()\ns.bind(("127.0.0.1", 0))\ns.listen()'),
        dial("a listener of an abstract name", 's = socket.socket(socket.AF_UNIX)\ns.bind("\\0{{MARK}}")\ns.listen()'),
        dial("netlink", "socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0).bind((0, 0))"),
        dial("packets", "socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)"),
        dial("raw ICMP", "socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)"),
        dial("ping", "socket.socket(socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_ICMP)"),
        dial("vsock", "socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM)"),
        dial(
            "the kernel's cryptography", 'socket.socket(socket.AF_ALG, socket.SOCK_SEQPACKET).bind(("hash", "sha256"))'
        ),
        dial("bluetooth", "socket.socket(31, socket.SOCK_RAW, 1)"),
        dial("SCTP", "socket.socket(socket.AF_INET, socket.SOCK_STREAM, 132)"),
        dial(
            "MPTCP",
            's = socket.socket(socket.AF_INET, socket.SOCK_STREAM, 262)\ns.connect(("127.0.0.1", int("{{TCP_PORT}}")))',
            "tcp",
        ),
        dial(
            "a pair of sockets that passes descriptors",
            'a, b = socket.socketpair()\nsocket.send_fds(a, [b"x"], [os.open("/etc/passwd", os.O_RDONLY)])',
        ),
        dial("names", 'socket.getaddrinfo("example.com", 80)', dangerous=True),
        dial(
            "HTTP to a name",
            'import urllib.request\nurllib.request.urlopen("http://example.com/", timeout=2)',
            dangerous=True,
        ),
        dial(
            "HTTP to loopback",
            'import urllib.request\ntry:\n    urllib.request.urlopen("http://127.0.0.1:{{TCP_PORT}}/", timeout=0.3)\nexcept TimeoutError:\n    pass',
            "tcp",
        ),
        dial("the cloud's metadata", 'socket.create_connection(("169.254.169.254", 80), 1)', dangerous=True),
        reach(
            "a socket by number",
            'fd = syscall(41, 198, 2, 1, 0)\naddress = ctypes.create_string_buffer((2).to_bytes(2, "little") + int("{{TCP_PORT}}").to_bytes(2, "big") + bytes([127, 0, 0, 1]), 16)\nsyscall(42, 203, fd, ctypes.c_void_p(ctypes.addressof(address)), 16)',
            leak="tcp",
        ),
        reach("a socket by the numbers of x32", "fd = syscall(0x40000000 + 41, 198, 2, 1, 0)"),
        reach("a socket by the gate of 32 bits", CODE.format(code=SOCKET_32)),
        reach("a device of the network", 'os.open("/dev/net/tun", os.O_RDWR)'),
        reach("neighbours in /proc/net", 'assert "{{ABSTRACT}}" in open("/proc/net/unix").read()'),
        reach("ports in /proc/net", 'assert f":{int(\'{{TCP_PORT}}\'):04X}" in open("/proc/net/tcp").read()'),
    ),
    *group(
        "secrets",
        steal("an environment variable", "yield from os.environ.values()", "env"),
        steal("the environment at the start", 'yield read("/proc/self/environ")', "env"),
        steal("the parent's environment", 'yield read(f"/proc/{os.getppid()}/environ")', "env"),
        steal("the host's environment", 'yield read("/proc/{{PARENT_PID}}/environ")', "env"),
        steal("a bystander's environment", 'yield read("/proc/{{BYSTANDER}}/environ")', "env"),
        steal("the environment of all", 'for name in glob.glob("/proc/[0-9]*/environ"):\n    yield read(name)', "env"),
        steal(
            "the environment on the stack",
            "import ctypes\nplace = ctypes.c_void_p.in_dll(ctypes.CDLL(None), 'environ').value\nfor slot in range(0, 4096, 8):\n    pointer = ctypes.c_void_p.from_address(place + slot).value\n    if not pointer:\n        break\n    yield ctypes.string_at(pointer)",
            "env",
        ),
        steal("a file of a temporary folder", 'yield open("{{FILE}}").read()', "file"),
        steal(
            "a file by its descriptor's number",
            'fd = os.open("{{FILE}}", os.O_RDONLY)\nyield os.read(fd, 4096)',
            "file",
        ),
        steal("a file of a home", 'yield open("{{HOME_FILE}}").read()', "home"),
        steal(
            "a file of the home of the one it runs as",
            'for name in glob.glob(os.path.expanduser("~/.*/*")):\n    if "{{MARK}}" in name:\n        yield read(name)',
            "home",
        ),
        steal(
            "files of temporary folders",
            'for name in glob.glob("/tmp/*/*") + glob.glob("{{TEMP}}/*") + glob.glob("{{TEMP}}/*/*"):\n    if "{{MARK}}" in name:\n        yield read(name)',
            "file",
        ),
        steal("a file through a link of /proc", 'yield open("/proc/{{PARENT_PID}}/root{{FILE}}").read()\n', "file"),
        steal(
            "a file through the working folder of the host",
            'yield read("/proc/{{PARENT_PID}}/cwd/" + os.path.relpath("{{FILE}}", "{{CWD}}"))',
            "file",
        ),
        steal(
            "a file through a link",
            'os.symlink("{{FILE}}", "/tmp/{{MARK}}")\ntry:\n    yield open("/tmp/{{MARK}}").read()\nfinally:\n    os.unlink("/tmp/{{MARK}}")',
            "file",
        ),
        steal(
            "a file through a hard link",
            'os.link("{{FILE}}", "/tmp/{{MARK}}")\ntry:\n    yield open("/tmp/{{MARK}}").read()\nfinally:\n    os.unlink("/tmp/{{MARK}}")',
            "file",
        ),
        steal(
            "a file by its import",
            "import importlib.machinery\nyield importlib.machinery.SourceFileLoader('x', '{{FILE}}').get_data('{{FILE}}')",
            "file",
        ),
        steal(
            "a file by mmap",
            'import mmap\nwith open("{{FILE}}", "rb") as file:\n    yield mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)[:]',
            "file",
        ),
        steal(
            "a file by the C library",
            "import ctypes\nlibc = ctypes.CDLL(None)\nlibc.fopen.restype = ctypes.c_void_p\nroom = ctypes.create_string_buffer(256)\nlibc.fread(room, 1, 255, ctypes.c_void_p(libc.fopen(b'{{FILE}}', b'r')))\nyield room.value",
            "file",
        ),
        steal(
            "a file by openat from an open folder",
            "for fd in range(64):\n    try:\n        yield os.read(os.open('.' + '/..' * 20 + '{{FILE}}', os.O_RDONLY, dir_fd=fd), 4096)\n    except OSError:\n        pass",
            "file",
        ),
        steal(
            "a file above its root",
            'yield read("/.." * 30 + "{{FILE}}")\nos.chdir("/")\nyield read("../" * 30 + "{{FILE}}"[1:])',
            "file",
        ),
        steal(
            "a file by a message of an error",
            "import tokenize, traceback\ntry:\n    compile(open('{{FILE}}').read(), '{{FILE}}', 'exec')\nexcept SyntaxError as error:\n    yield error.text",
            "file",
        ),
        steal(
            "the memory of the host",
            'import re\nfor line in open("/proc/{{PARENT_PID}}/maps"):\n    if "[stack]" in line or "[heap]" in line:\n        start, end = (int(part, 16) for part in line.split()[0].split("-"))\n        with open("/proc/{{PARENT_PID}}/mem", "rb", 0) as memory:\n            memory.seek(start)\n            yield memory.read(end - start)',
            "env",
        ),
        reach("accounts of the machine", 'assert "root:" in open("/etc/passwd").read()'),
        reach("accounts of the machine by name", "import pwd\nassert len(pwd.getpwall()) > 1"),
        reach("passwords of the machine", 'open("/etc/shadow").close()'),
        reach("the machine's id", 'open("/etc/machine-id").close()'),
        reach(
            "keys for other machines",
            'import glob\nassert any(os.access(name, os.R_OK) for home in ("/root", "/home/*", os.path.expanduser("~")) for name in glob.glob(home + "/.ssh/*"))',
        ),
        reach("tokens of a cluster", 'open("/var/run/secrets/kubernetes.io/serviceaccount/token").close()'),
        reach("the socket of a container's engine", 'assert os.path.exists("/var/run/docker.sock")'),
        reach("the kernel's log", 'open("/dev/kmsg").close()'),
        reach("the kernel's symbols", 'open("/proc/kallsyms").close()'),
        reach(
            "the disk itself",
            "import glob\nfor name in glob.glob('/dev/[sv]d?') + glob.glob('/dev/nvme*'):\n    os.close(os.open(name, os.O_RDONLY))\n    break\nelse:\n    raise OSError('none')",
        ),
        reach("the machine's memory", 'os.close(os.open("/dev/mem", os.O_RDONLY))'),
        reach("the terminal", 'os.close(os.open("/dev/tty", os.O_RDWR))'),
        reach(
            "characters typed into the terminal",
            'import fcntl\nfor fd in range(3):\n    fcntl.ioctl(fd, 0x5412, b"x")\n    break',
        ),
        reach("the host's working folder", 'assert os.listdir("{{CWD}}")'),
    ),
)
