"""Runs a command and says what it cost, as the kernel counts it: wait4's rusage, which belongs to this one child.

wait4.py [--cgroup DIR]... -- COMMAND...   prints {"wall": s, "cpu": s, "rss": MiB, "status": n} as JSON on standard output.
The child joins the cgroups before it runs. Its own output goes to standard error. After half an hour it is killed.
"""
import json
import os
import signal
import sys
import time

arguments = sys.argv[1:]
cgroups = []
while arguments and arguments[0] == "--cgroup":
    cgroups.append(arguments[1])
    arguments = arguments[2:]
command = arguments[1:]

start = time.monotonic()
child = os.fork()
if child == 0:
    try:
        for directory in cgroups:
            with open(os.path.join(directory, "cgroup.procs"), "w") as members:
                members.write(str(os.getpid()))
        os.dup2(2, 1)
        os.execvp(command[0], command)
    except OSError as error:
        print(error, file=sys.stderr)
        os._exit(127)
signal.signal(signal.SIGALRM, lambda *_: os.kill(child, signal.SIGKILL))
signal.alarm(1800)
_, status, usage = os.wait4(child, 0)
wall = time.monotonic() - start
print(json.dumps({
    "wall": wall,
    "cpu": usage.ru_utime + usage.ru_stime,
    "rss": usage.ru_maxrss / 1024,
    "status": os.waitstatus_to_exitcode(status),
}))
