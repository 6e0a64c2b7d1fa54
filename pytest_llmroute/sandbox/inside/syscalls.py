"""Numbers of Linux's system calls, and those that a calculation needs. aarch64 is from its table, and was not run."""

from __future__ import annotations

AUDIT_ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}

_X86_64 = """
0 read 1 write 2 open 3 close 4 stat 5 fstat 6 lstat 7 poll 8 lseek 9 mmap 10 mprotect 11 munmap 12 brk
13 rt_sigaction 14 rt_sigprocmask 15 rt_sigreturn 16 ioctl 17 pread64 18 pwrite64 19 readv 20 writev 21 access
22 pipe 23 select 24 sched_yield 25 mremap 26 msync 28 madvise 32 dup 33 dup2 34 pause 35 nanosleep 36 getitimer
37 alarm 38 setitimer 39 getpid 44 sendto 45 recvfrom 48 shutdown 53 socketpair 55 getsockopt 56 clone 60 exit
62 kill 63 uname 72 fcntl 73 flock 74 fsync 75 fdatasync 76 truncate 77 ftruncate 79 getcwd 80 chdir 81 fchdir
82 rename 83 mkdir 84 rmdir 87 unlink 88 symlink 89 readlink 90 chmod 91 fchmod 95 umask 96 gettimeofday 97 getrlimit
98 getrusage 99 sysinfo 100 times 102 getuid 104 getgid 107 geteuid 108 getegid 110 getppid 111 getpgrp 112 setsid
120 getresgid 118 getresuid 126 capset 131 sigaltstack 155 pivot_root 158 arch_prctl 160 setrlimit 186 gettid
201 time 202 futex 204 sched_getaffinity 213 epoll_create 217 getdents64 218 set_tid_address 219 restart_syscall
228 clock_gettime 229 clock_getres 230 clock_nanosleep 231 exit_group 232 epoll_wait 233 epoll_ctl 234 tgkill
257 openat 258 mkdirat 262 newfstatat 263 unlinkat 264 renameat 266 symlinkat 267 readlinkat 268 fchmodat 269 faccessat
270 pselect6 271 ppoll 273 set_robust_list 280 utimensat 281 epoll_pwait 290 eventfd2 291 epoll_create1 292 dup3
293 pipe2 302 prlimit64 309 getcpu 316 renameat2 318 getrandom 324 membarrier 332 statx 334 rseq 435 clone3
436 close_range 439 faccessat2 441 epoll_pwait2
"""
_AARCH64 = """
17 getcwd 19 eventfd2 20 epoll_create1 21 epoll_ctl 22 epoll_pwait 23 dup 24 dup3 25 fcntl 29 ioctl 32 flock
34 mkdirat 35 unlinkat 36 symlinkat 38 renameat 41 pivot_root 45 truncate 46 ftruncate 48 faccessat 49 chdir
50 fchdir 52 fchmod 53 fchmodat 56 openat 57 close 59 pipe2 61 getdents64 62 lseek 63 read 64 write 65 readv
66 writev 67 pread64 68 pwrite64 72 pselect6 73 ppoll 78 readlinkat 79 newfstatat 80 fstat 82 fsync 83 fdatasync
88 utimensat 91 capset 93 exit 94 exit_group 96 set_tid_address 98 futex 99 set_robust_list 101 nanosleep
102 getitimer 103 setitimer 113 clock_gettime 114 clock_getres 115 clock_nanosleep 123 sched_getaffinity
124 sched_yield 128 restart_syscall 129 kill 131 tgkill 132 sigaltstack 134 rt_sigaction 135 rt_sigprocmask
139 rt_sigreturn 148 getresuid 150 getresgid 153 times 157 setsid 160 uname 163 getrlimit 164 setrlimit
165 getrusage 166 umask 168 getcpu 169 gettimeofday 172 getpid 173 getppid 174 getuid 175 geteuid 176 getgid
177 getegid 178 gettid 179 sysinfo 199 socketpair 206 sendto 207 recvfrom 209 getsockopt 210 shutdown 214 brk
215 munmap 216 mremap 220 clone 222 mmap 226 mprotect 227 msync 233 madvise 261 prlimit64 276 renameat2
278 getrandom 283 membarrier 291 statx 293 rseq 435 clone3 436 close_range 439 faccessat2 441 epoll_pwait2
"""


def _table(text: str) -> dict[str, int]:
    words = text.split()
    return {name: int(number) for number, name in zip(words[::2], words[1::2], strict=True)}


NUMBERS = {"x86_64": _table(_X86_64), "aarch64": _table(_AARCH64)}
_GUARDED = {
    "capset", "clone", "clone3", "fcntl", "ioctl", "kill", "pivot_root", "prlimit64", "sendto", "setsid", "socketpair",
    "tgkill",
}  # fmt: skip
CHANGES = frozenset({
    "chmod", "fchmod", "fchmodat", "mkdir", "mkdirat", "rename", "renameat", "renameat2", "rmdir", "symlink",
    "symlinkat", "truncate", "unlink", "unlinkat", "utimensat",
})  # fmt: skip
"""Calls that change what a path leads to."""
ALLOWED = tuple(sorted({name for table in NUMBERS.values() for name in table} - _GUARDED))
"""Whatever arguments they have; `kernel.py` allows some of the others by their arguments."""
