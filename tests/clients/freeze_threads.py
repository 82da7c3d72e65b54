"""Freezes those threads of a process whose names begin with a word, until standard input ends.

    freeze_threads.py PID NAME

The others go on: that is what a thread stuck in a loop or a lock looks like from outside. Prints how many it has frozen.
The system thaws them when this program ends, however it ends.
"""

import ctypes
import os
import sys

PTRACE_SEIZE = 0x4206
PTRACE_INTERRUPT = 0x4207

libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
libc.ptrace.restype = ctypes.c_long


def ptrace(request, thread):
    if libc.ptrace(request, thread, None, None) == -1:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def main():
    pid, name = int(sys.argv[1]), sys.argv[2]
    frozen = 0
    for thread in map(int, os.listdir(f"/proc/{pid}/task")):
        with open(f"/proc/{pid}/task/{thread}/comm") as file:
            if not file.read().startswith(name):
                continue
        ptrace(PTRACE_SEIZE, thread)
        ptrace(PTRACE_INTERRUPT, thread)
        frozen += 1
    print(frozen, flush=True)
    sys.stdin.read()


main()
