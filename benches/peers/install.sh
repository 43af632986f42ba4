#!/usr/bin/env bash
# Installs the C libraries that `cargo bench --bench peers --features peers` compares with, where they
# are packaged (Debian, Ubuntu; as root or with sudo). What cannot be had, the bench reports as not found.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

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
if [ -n "$archive" ] && [ ! "$lib/libxsmm.so" -nt "$archive" ]; then
  mkdir -p "$lib"
  cc -shared -o "$lib/libxsmm.so" -Wl,--whole-archive "$archive" -Wl,--no-whole-archive -ldl -lm -lpthread
  echo "linked: $lib/libxsmm.so"
fi
