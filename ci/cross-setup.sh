#!/usr/bin/env bash
# Debian amd64: what it takes to build for AArch64 and powerpc64 and to run the result under qemu.
#
# rustup's standard library for another target is a download that not every machine may make; Debian
# packages one. The packages of its newest compiler (rustc-web) are unpacked under a prefix of our
# own, so that nothing is upgraded and nothing new is on PATH; cross builds alone use them. For
# powerpc64 Debian has no standard library of that version: its source is unpacked too, and cargo builds it.
#
#   ci/cross-setup.sh          installs (a second or less when all is there), then prints the prefix;
#                              status 3: this machine cannot, as the last line of stderr says
set -euo pipefail

prefix=${SPNM_CROSS_PREFIX:-${XDG_CACHE_HOME:-$HOME/.cache}/spnm/rustc-web}
complete=$prefix/complete-1 # a new number makes every machine unpack anew

tools=(qemu-aarch64 aarch64-linux-gnu-gcc qemu-ppc64 powerpc64-linux-gnu-gcc)
packages=(
  qemu-user
  gcc-aarch64-linux-gnu libc6-dev-arm64-cross
  gcc-powerpc64-linux-gnu libc6-dev-ppc64-cross
  libedit2 libffi8 libxml2 libz3-4 libzstd1 zlib1g # what libLLVM is linked with
)
unpacked=(rustc-web rust-web-src libstd-rust-web-dev) # and what these depend on

have_tools() {
  local tool
  for tool in "${tools[@]}"; do command -v "$tool" >/dev/null || return 1; done
}

cannot() {
  echo "$1" >&2
  exit 3
}

if ! have_tools || [ ! -e "$complete" ]; then
  [ "$(dpkg --print-architecture 2>/dev/null)" = amd64 ] || cannot "not Debian on amd64"
  root=()
  if [ "$(id -u)" != 0 ]; then
    sudo -n true 2>/dev/null || cannot "neither root nor sudo without a password"
    root=(sudo)
  fi
  export DEBIAN_FRONTEND=noninteractive
  apt() { "${root[@]}" apt-get -qq "$@" >&2 || cannot "apt-get $1 failed"; }
  apt update
  for package in "${packages[@]}" "${unpacked[@]}"; do
    apt-cache show "$package" >/dev/null 2>&1 || cannot "this system has no package $package"
  done
  apt install -y --no-install-recommends --no-upgrade "${packages[@]}"
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
  foreign= # the architecture that dpkg is told of while the packages are downloaded
  trap 'rm -rf "$debs"; [ -z "$foreign" ] || "${root[@]}" dpkg --remove-architecture $foreign' EXIT
  if ! dpkg --print-foreign-architectures | grep -qx arm64; then
    foreign=arm64
    "${root[@]}" dpkg --add-architecture $foreign
    apt update
  fi
  chmod 755 "$debs" # apt drops its privileges to download
  (cd "$debs" && apt download "${unpacked[@]}" "$std" "$llvm" libstd-rust-web-dev:arm64)
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
