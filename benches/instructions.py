#!/usr/bin/env python3
"""Instructions for each fused multiply-add in the loops of the micro-kernels, from the disassembly of the shared library.

    cargo build --release --lib --features capi --target aarch64-unknown-linux-gnu
    python3 benches/instructions.py target/aarch64-unknown-linux-gnu/release/libspnm.so aarch64-linux-gnu-objdump

An emulator gives no times; this is what tiles of NEON are chosen by. A loop is what a branch back to an earlier address of its
function encloses; of a function's loops the one counted has the most multiply-adds for its instructions.
"""

import argparse
import collections
import re
import subprocess

FUNCTION = re.compile(r"[0-9a-f]+ <.*::kernels::(\w+)::(tile|tile_in_place|group_tile)\b.*>:")
INSTRUCTION = re.compile(r"^\s+([0-9a-f]+):\t(.*)$", re.MULTILINE)
BRANCH = re.compile(r"(?:b\.\w+|cbn?z|tbn?z|j\w+)\s+(?:[\w#]+, )*(?:0x)?([0-9a-f]+)\b")
MULTIPLY_ADD = re.compile(r"fmla|vfmadd")
LOAD = re.compile(r"ld[pru]")  # of AArch64: on x86-64 loads are operands, too


def loops(function):
    """The instructions of each loop of a function."""
    code = [(int(address, 16), text) for address, text in INSTRUCTION.findall(function)]
    place = {address: i for i, (address, _) in enumerate(code)}
    for i, (address, text) in enumerate(code):
        branch = BRANCH.match(text)
        if branch and (to := int(branch[1], 16)) <= address and to in place:
            yield [text for _, text in code[place[to] : i + 1]]


def count(loop, what):
    """How many of a loop's instructions are so."""
    return sum(1 for text in loop if what.match(text))


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("library")
    arguments.add_argument("objdump", nargs="?", default="objdump")
    given = arguments.parse_args()
    command = [given.objdump, "-d", "-C", "--no-show-raw-insn", given.library]
    listing = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found = collections.Counter()
    for function in listing.split("\n\n"):
        name = FUNCTION.match(function.strip())
        bodies = [loop for loop in loops(function) if count(loop, MULTIPLY_ADD)] if name else []
        if bodies:
            loop = max(bodies, key=lambda loop: (count(loop, MULTIPLY_ADD) / len(loop), len(loop)))
            found[name[1], name[2], count(loop, MULTIPLY_ADD), len(loop), count(loop, LOAD)] += 1
    print("level     micro-kernel   functions  multiply-adds  instructions  of them loads  for each multiply-add")
    for (level, kernel, fmas, instructions, loads), functions in sorted(found.items()):
        ratio = instructions / fmas
        print(f"{level:9} {kernel:14} {functions:9}  {fmas:13}  {instructions:12}  {loads:13}  {ratio:21.2f}")


if __name__ == "__main__":
    main()
