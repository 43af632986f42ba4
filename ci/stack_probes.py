#!/usr/bin/env python3
"""Looks for functions whose stack probe destroys a live register.

LLVM (22.1 at least) probes an x86-64 frame of more than 32 KiB in a loop that counts in r11. Where
shrink-wrapping has moved the prologue behind an early return, r11 may already hold a value, and the loop
overwrites it: a miscompilation, not undefined behaviour. It once turned A's column count into a stack address
in the 8:16 kernel for contiguous columns on AVX-512. The same fault on RISC-V is
https://github.com/llvm/llvm-project/issues/198699.

Usage: stack_probes.py FILE...: fails if, in any of them, something is written to r11 before a probe loop, or no probe
loop is recognised at all (the library has some: another compiler may write them otherwise).
"""
import re
import subprocess
import sys

FUNCTION = re.compile(r"[0-9a-f]+ <(.*)>:")
WRITES_R11 = re.compile(r"(?!cmp|test).*,%r11[dwb]?$")
SUBTRACT = re.compile(r"sub \$0x[0-9a-f]+,%r11$")
COPY = "mov %rsp,%r11"


def scan(path):
    """The number of probe loops, and (function, instruction) for each write to r11 before one."""
    command = ["objdump", "--disassemble", "--no-show-raw-insn", "--demangle", path]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as dump:
        function = previous = written = None
        probes, bad = 0, []
        for line in dump.stdout:
            if match := FUNCTION.match(line):
                function, previous, written = match[1], None, None
                continue
            fields = line.rstrip().split("\t")
            if len(fields) < 2:
                continue
            instruction = " ".join(fields[1].split())
            if previous == COPY and SUBTRACT.match(instruction):
                probes += 1
                if written:
                    bad.append((function, written))
            elif instruction != COPY and WRITES_R11.match(instruction):
                written = written or instruction
            previous = instruction
    if dump.returncode:
        sys.exit(f"objdump of {path} failed")
    return probes, bad


failed = False
for path in sys.argv[1:]:
    probes, bad = scan(path)
    print(f"{path}: {probes} probe loops, {len(bad)} behind a write to r11")
    failed |= bool(bad) or not probes
    for function, written in bad:
        print(f"  {function}: {written}")
sys.exit(failed)
