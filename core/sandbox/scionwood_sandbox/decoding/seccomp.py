"""Let a process call the kernel for decoding only: a seccomp filter that lists what it may call."""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct
from collections.abc import Iterator
from functools import cache

from scionwood_sandbox.decoding.kernel import call, prctl

# name:x86_64:aarch64; - where a machine has no such call. `tests` compares them with the headers.
_DECODING = """
read:0:63 write:1:64 readv:19:65 writev:20:66 pread64:17:67 pwrite64:18:68 preadv:295:69
pwritev:296:70 preadv2:327:286 pwritev2:328:287 lseek:8:62 close:3:57 close_range:436:436 fstat:5:80
stat:4:- lstat:6:- newfstatat:262:79 statx:332:291 statfs:137:43 fstatfs:138:44 access:21:-
faccessat:269:48 faccessat2:439:439 readlink:89:- readlinkat:267:78 getcwd:79:17 chdir:80:49
fchdir:81:50 getdents:78:- getdents64:217:61 dup:32:23 dup2:33:- dup3:292:24 pipe:22:- pipe2:293:59
eventfd2:290:19 epoll_create1:291:20 epoll_ctl:233:21 epoll_wait:232:- epoll_pwait:281:22
epoll_pwait2:441:441 poll:7:- ppoll:271:73 select:23:- pselect6:270:72 brk:12:214 munmap:11:215
mremap:25:216 madvise:28:233 mincore:27:232 msync:26:227 futex:202:98 futex_waitv:449:449
set_robust_list:273:99 rseq:334:293 membarrier:324:283 sched_yield:24:124 sched_getaffinity:204:123
getcpu:309:168 nanosleep:35:101 clock_nanosleep:230:115 clock_gettime:228:113 clock_getres:229:114
gettimeofday:96:169 time:201:- rt_sigaction:13:134 rt_sigprocmask:14:135 rt_sigreturn:15:139
rt_sigpending:127:136 rt_sigtimedwait:128:137 rt_sigsuspend:130:133 sigaltstack:131:132
restart_syscall:219:128 exit:60:93 exit_group:231:94 getpid:39:172 getppid:110:173 gettid:186:178
getuid:102:174 geteuid:107:175 getgid:104:176 getegid:108:177 getresuid:118:148 getresgid:120:150
getgroups:115:158 getpgrp:111:- set_tid_address:218:96 arch_prctl:158:- uname:63:160 sysinfo:99:179
getrusage:98:165 times:100:153 getrandom:318:278 getrlimit:97:163 mprotect:10:226
get_mempolicy:239:236 fadvise64:221:223 readahead:187:213 flock:73:32 recvfrom:45:207 recvmsg:47:212
getsockopt:55:209 getsockname:51:204 getpeername:52:205 shutdown:48:210 umask:95:166 fsync:74:82
fdatasync:75:83 wait4:61:260 waitid:247:95
"""
_WRITING = """
truncate:76:45 ftruncate:77:46 fallocate:285:47 chmod:90:- fchmod:91:52 fchmodat:268:53
fchmodat2:452:452 utime:132:- utimes:235:- futimesat:261:- utimensat:280:88 mkdir:83:-
mkdirat:258:34 rmdir:84:- unlink:87:- unlinkat:263:35 rename:82:- renameat:264:38
renameat2:316:276 link:86:- linkat:265:37 copy_file_range:326:285 sendfile:40:71
sync_file_range:277:84
"""
_BY_ARGUMENT = """
open:2:- openat:257:56 mmap:9:222 clone:56:220 kill:62:129 tgkill:234:131
prlimit64:302:261 socketpair:53:199 sendto:44:206 fcntl:72:25 ioctl:16:29 prctl:157:167
"""
_UNKNOWN = "clone3:435:435 openat2:437:437"
"""Calls that the kernel denies to have: glibc falls back to calls whose arguments can be read."""

_NEWER = 463  # calls of later kernels get the same answer
_MACHINES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}
_SECCOMP, _IS_AVAILABLE, _ALLOW, _REFUSE = (317, 277), 2, 0x7FFF0000, 0x50000
_SET_SECCOMP, _FILTER = 22, 2
_ALL = 0xFFFFFFFF

_Test = tuple[int, int, tuple[int, ...], bool]
"""A word of the arguments, its mask, values, and whether the masked word must be one of them."""


def _tests(*, writing: bool) -> dict[str, tuple[_Test, ...]]:
    """Return what the arguments of a call must be. Word 2n is the low half of argument n."""
    own_pids = (os.getpid(),)
    # O_WRONLY, O_RDWR, O_CREAT, O_TRUNC, O_TMPFILE
    flags = 0 if writing else 3 | 0x40 | 0x200 | 0x400000
    return {
        "open": ((2, flags, (0,), True),),
        "openat": ((4, flags, (0,), True),),
        # Shared memory without a file, growing stacks and huge pages escape the count of memory.
        # Memory to write and to run is permitted: libffi needs it for callbacks.
        "mmap": ((6, 0x21, (0x21,), False), (6, 0x40100, (0,), True)),
        # A thread of this process, in its namespaces
        "clone": ((0, 0x10000, (0x10000,), True), (0, 0x7E020000, (0,), True)),
        "kill": ((0, _ALL, own_pids, True),),
        "tgkill": ((0, _ALL, own_pids, True),),
        # Ask for its limits, set none
        "prlimit64": (
            (0, _ALL, (0, *own_pids), True),
            (4, _ALL, (0,), True),
            (5, _ALL, (0,), True),
        ),
        # A connected pair of streams, for event loops: datagrams could be sent to any address
        "socketpair": ((0, _ALL, (1,), True), (2, 0xF, (1,), True)),
        "sendto": ((8, _ALL, (0,), True), (9, _ALL, (0,), True)),
        # Copies, flags, locks and seals: no signals, leases or sizes of pipes
        "fcntl": ((2, _ALL, (0, 1, 2, 3, 4, 5, 6, 7, 36, 37, 38, 1030, 1034), True),),
        # TCGETS, TIOCGWINSZ, FIONREAD, FIONBIO, FIONCLEX, FIOCLEX
        "ioctl": ((2, _ALL, (0x5401, 0x5413, 0x541B, 0x5421, 0x5450, 0x5451), True),),
        # The names of threads and of memory
        "prctl": ((0, _ALL, (15, 16, 0x53564D41), True),),
    }


def _parsed(table: str, which: int) -> Iterator[tuple[str, int]]:
    for entry in table.split():
        name, *both = entry.split(":")
        if both[which] != "-":
            yield name, int(both[which])


@cache
def available() -> bool:
    """Return whether the kernel filters calls, and this machine's are known here."""
    if platform.machine() not in _MACHINES:
        return False
    which, _ = _MACHINES[platform.machine()]
    try:
        call(_SECCOMP[which], _IS_AVAILABLE, 0, ctypes.byref(ctypes.c_uint32(_REFUSE)))
    except OSError:  # a kernel or a container without it
        return False
    return True


def restrict_calls(*, writing: bool) -> None:
    """Deny this process all calls but those of decoding, for good."""
    lines = list(_program(*_MACHINES[platform.machine()], writing=writing))
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *line) for line in lines))
    program = struct.pack("HxxxxxxP", len(lines), ctypes.addressof(code))
    prctl(_SET_SECCOMP, _FILTER, ctypes.create_string_buffer(program))


_Line = tuple[int, int, int, int]


def _program(which: int, machine: int, *, writing: bool) -> Iterator[_Line]:
    """Yield the filter: (code, lines to skip if true, if false, operand) for each line."""
    load, skip_equal, skip_at_least, answer = 0x20, 0x15, 0x35, 0x06
    yield load, 0, 0, 4
    yield skip_equal, 1, 0, machine
    yield answer, 0, 0, 0x80000000  # another machine's calls: the process ends
    yield load, 0, 0, 0
    for _, number in _parsed(_DECODING + _WRITING * writing, which):
        yield skip_equal, 0, 1, number
        yield answer, 0, 0, _ALLOW
    tests = _tests(writing=writing)
    for name, number in _parsed(_BY_ARGUMENT, which):
        lines = [line for test in tests[name] for line in _tested(*test)]
        yield skip_equal, 0, len(lines) + 1, number
        yield from lines
        yield answer, 0, 0, _ALLOW
    for _, number in _parsed(_UNKNOWN, which):
        yield skip_equal, 0, 1, number
        yield answer, 0, 0, _REFUSE | errno.ENOSYS
    yield skip_at_least, 0, 1, _NEWER  # the x32 calls too
    yield answer, 0, 0, _REFUSE | errno.ENOSYS
    yield answer, 0, 0, _REFUSE | errno.EPERM


def _tested(word: int, mask: int, values: tuple[int, ...], inside: bool) -> Iterator[_Line]:
    yield 0x20, 0, 0, 16 + 4 * word
    yield 0x54, 0, 0, mask
    for left, value in zip(range(len(values), 0, -1), values, strict=True):
        yield 0x15, (left if inside else left - 1), (0 if inside or left > 1 else 1), value
    yield 0x06, 0, 0, _REFUSE | errno.EPERM
