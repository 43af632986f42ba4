#!/usr/bin/env bash
# Installs the C libraries that `cargo bench --bench peers --features peers` compares with, where they
# are packaged (Debian, Ubuntu; as root or with sudo). What cannot be had, the bench reports as not found.
#
# `install.sh newest` fetches the releases below of OpenBLAS, oneDNN and MKL from PyPI, too (0.5 GB), into
# Cargo's target folder, where the bench looks first. Those of a Debian release are years older.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

newest=()
case "${1:-}" in
  '') ;;
  newest) newest=(
    scipy-openblas32==0.3.34.481.3
    mkl==2026.2.0
    onednn==2026.1.0 tbb==2023.2.0 intel-sycl-rt==2026.2.0 intel-cmplr-lib-rt==2026.2.0
  ) ;;
  *)
    echo "usage: $0 [newest]" >&2
    exit 2
    ;;
esac

root=()
[ "$(id -u)" = 0 ] || root=(sudo -n)
export DEBIAN_FRONTEND=noninteractive

installed() { dpkg-query -W -f '${Status}' "$1" 2>/dev/null | grep -q ' installed$'; }
available() { apt-cache show "$1" >/dev/null 2>&1; }

# The first of each line that the release has.
wanted=()
while read -r -a names; do
  for name in "${names[@]}"; do
    if installed "$name"; then continue 2; fi
  done
  wanted+=("${names[*]}")
done <<'END'
libopenblas0-pthread
libblis4-pthread
libdnnl3 libdnnl2
libxsmm-dev
END
if [ ${#newest[@]} -gt 0 ]; then
  for name in python3-pip patchelf; do installed "$name" || wanted+=("$name"); done
fi

if [ ${#wanted[@]} -gt 0 ]; then
  "${root[@]}" apt-get -qq update
  for names in "${wanted[@]}"; do
    for name in $names; do
      if available "$name"; then
        "${root[@]}" apt-get -qq install -y --no-install-recommends "$name"
        continue 2
      fi
    done
    echo "not packaged here: $names" >&2
  done
fi

# Of libxsmm Debian has the static library alone; the bench opens libraries at run time.
archive=$(dpkg-query -L libxsmm-dev 2>/dev/null | grep '/libxsmm\.a$' || true)
lib=${CARGO_TARGET_DIR:-target}/peers/lib
mkdir -p "$lib"
if [ -n "$archive" ] && [ ! "$lib/libxsmm.so" -nt "$archive" ]; then
  cc -shared -o "$lib/libxsmm.so" -Wl,--whole-archive "$archive" -Wl,--no-whole-archive -ldl -lm -lpthread
  echo "linked: $lib/libxsmm.so"
fi

# Wheels are zip archives. Of their libraries, those that depend on others find them beside themselves.
if [ ${#newest[@]} -gt 0 ]; then
  wheels=$(mktemp -d)
  trap 'rm -rf "$wheels"' EXIT
  for wheel in "${newest[@]}"; do
    python3 -m pip download --quiet --no-deps --only-binary=:all: --dest "$wheels" "$wheel" ||
      echo "not published for this machine: $wheel" >&2
  done
  python3 - "$lib" "$wheels"/*.whl <<'END'
import pathlib, re, sys, zipfile

MKL = r"mkl_(rt|core|sequential|gnu_thread|intel_lp64|avx\w*|def|mc3)"
KEEP = rf"lib((scipy_openblas|svml|imf)\.so|(dnnl|tbb|intlc|sycl|{MKL})\.so\.\d+)"
lib = pathlib.Path(sys.argv[1])
for wheel in sys.argv[2:]:
    with zipfile.ZipFile(wheel) as archive:
        for entry in archive.namelist():
            name = entry.rsplit("/", 1)[-1]
            if re.fullmatch(KEEP, name):
                (lib / name).write_bytes(archive.read(entry))
                print(f"fetched: {lib / name}")
END
  for file in "$lib"/libdnnl.so* "$lib"/libsycl.so*; do
    if [ -e "$file" ]; then patchelf --set-rpath '$ORIGIN' "$file"; fi
  done
fi
