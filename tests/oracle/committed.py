"""What the scripts of this folder have in common: each writes a file, or compares it with what it would write."""
import argparse

import numpy as np


def main(output, source, make, selfcheck=lambda: None, same=lambda made, there: made == there):
    """The exit status: of writing what `make()` returns to `output`, or, with --check, of `same(made, there)`."""
    parser = argparse.ArgumentParser(description=f"Writes {output.name}: what {source} gives.")
    parser.add_argument("--check", action="store_true", help="compare with the file there is, write nothing")
    args = parser.parse_args()
    with np.errstate(all="ignore"):  # infinities are among the cases, and overflow to them
        selfcheck()
        made = make()
    if not args.check:
        output.write_bytes(made)
        print(f"{output.name}: {len(made)} bytes")
        return 0
    if not output.exists() or not same(made, output.read_bytes()):
        print(f"{output.name} is not what {source} gives: run {parser.prog}")
        return 1
    print(f"{output.name}: {len(made)} bytes, as {source} gives them")
    return 0
