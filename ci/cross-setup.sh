#!/usr/bin/env bash
# Debian amd64: what it takes to build for AArch64 and powerpc64 and to run the result under qemu.
#
# rustup's standard library for another target is a download that not every machine may make; Debian
# packages one. The packages of its newest compiler (rustc-web) are unpacked under a prefix of our
# own, so that nothing is upgraded and nothing new is on PATH; cross builds alone use them. For
# powerpc64 Debian has no standard library of that version: its source is unpacked too, and cargo builds it.
#
#   ci/cross-setup.sh          installs (a second or less when all is there), then prints the prefix
set -euo pipefail

prefix=${SPNM_CROSS_PREFIX:-${XDG_CACHE_HOME:-$HOME/.cache}/spnm/rustc-web}
complete=$prefix/complete-1 # a new number makes every machine unpack anew

tools=(qemu-aarch64 aarch64-linux-gnu-gcc qemu-ppc64 powerpc64-linux-gnu-gcc qemu-x86_64)
packages=(
  qemu-user
  gcc-aarch64-linux-gnu libc6-dev-arm64-cross
  gcc-powerpc64-linux-gnu libc6-dev-ppc64-cross
  libedit2 libffi8 libxml2 libz3-4 libzstd1 zlib1g # what libLLVM is linked with
)

have_tools() {
  local tool
  for tool in "${tools[@]}"; do command -v "$tool" >/dev/null || return 1; done
}

if ! have_tools || [ ! -e "$complete" ]; then
  [ "$(dpkg --print-architecture 2>/dev/null)" = amd64 ] || { echo "not Debian on amd64" >&2; exit 3; }
  root=()
  if [ "$(id -u)" != 0 ]; then
    sudo -n true 2>/dev/null || { echo "neither root nor sudo without a password" >&2; exit 3; }
    root=(sudo)
  fi
  export DEBIAN_FRONTEND=noninteractive
  if ! dpkg --print-foreign-architectures | grep -qx arm64; then
    "${root[@]}" dpkg --add-architecture arm64
  fi
  {
    "${root[@]}" apt-get -qq update
    "${root[@]}" apt-get -qq install -y --no-install-recommends --no-upgrade "${packages[@]}"
  } >&2
fi

if [ ! -e "$complete" ]; then
  # Names that carry a version are read off the packages that depend on them.
  depends() {
    apt-cache depends --no-recommends --no-suggests "$1" |
      sed -n "s/^ *Depends: \($2[^ ]*\)$/\1/p" | sed -n 1p
  }
  std=$(depends libstd-rust-web-dev libstd-rust-web-)
  llvm=$(depends "$std" libllvm)
  debs=$(mktemp -d)
  trap 'rm -rf "$debs"' EXIT
  chmod 755 "$debs" # apt drops its privileges to download
  (cd "$debs" && apt-get -qq download rustc-web "$std" "$llvm" rust-web-src \
    libstd-rust-web-dev:amd64 libstd-rust-web-dev:arm64 >&2)
  rm -rf "$prefix"
  mkdir -p "$prefix/bin"
  for deb in "$debs"/*.deb; do
    case $deb in
      */rust-web-src_*)
        dpkg --fsys-tarfile "$deb" | tar -x -C "$prefix" --wildcards \
          './usr/src/rustc-*/library' './usr/src/rustc-*/Cargo.lock' './usr/lib/rustlib/src/rust' ;;
      *) dpkg --fsys-tarfile "$deb" | tar -x -C "$prefix" --exclude ./usr/share --exclude ./usr/libexec ;;
    esac
  done
  for tool in rustc rustdoc; do
    cat >"$prefix/bin/$tool" <<END
#!/bin/sh
LD_LIBRARY_PATH="$prefix/usr/lib/x86_64-linux-gnu\${LD_LIBRARY_PATH:+:\$LD_LIBRARY_PATH}" \\
  exec "$prefix/usr/bin/$tool" "\$@"
END
    chmod +x "$prefix/bin/$tool"
  done
  "$prefix/bin/rustc" --version >&2
  touch "$complete"
fi
echo "$prefix"
