#!/usr/bin/env bash
# Debian amd64: test programs on a CPU with AVX-512, whatever this one has. qemu emulates none; Bochs does, as a whole
# machine, which starts a Linux of one process after the other.
#
#   bash ci/bochs.sh --packages       prints the packages that it needs
#   bash ci/bochs.sh FOLDER < LIST    each line of LIST is a program of this machine and its arguments. They run in turn, in
#                                     the current folder, with the caller's variables SPNM_*; prints their output. Status 0:
#                                     all passed; 3: this machine cannot, as the last line of stderr says. FOLDER keeps the
#                                     kernel, and what the emulator says.
set -euo pipefail

packages=(bochs bochs-term bochsbios vgabios isolinux syslinux-common xorriso cpio busybox-static)
if [ "${1:-}" = --packages ]; then
  echo "${packages[*]}"
  exit
fi
minutes=40 # until the machine is taken for hung

cannot() {
  echo "$1" >&2
  exit 3
}

folder=$(realpath -m "$1")
mkdir -p "$folder"
for command in bochs xorriso cpio busybox; do command -v "$command" >/dev/null || cannot "no $command"; done

# The kernel, out of its package: nothing is installed.
if [ ! -e "$folder/vmlinuz" ]; then
  name=$(apt-cache depends linux-image-cloud-amd64 2>/dev/null | sed -n 's/^ *Depends: \(linux-image-[^ ]*\)$/\1/p' | tail -n 1)
  [ -n "$name" ] || cannot "no package linux-image-cloud-amd64"
  rm -rf "$folder/deb"
  mkdir "$folder/deb"
  (cd "$folder/deb" && apt-get -qq download "$name" >&2) || cannot "apt-get cannot download $name"
  dpkg-deb -x "$folder"/deb/*.deb "$folder/deb"
  mv "$folder"/deb/boot/vmlinuz-* "$folder/vmlinuz"
  rm -rf "$folder/deb"
fi

# A file system of the programs and what they are linked with.
root=$folder/root
rm -rf "$root" "$folder/disc"
mkdir -p "$root"/{bin,proc,dev,tmp} "$root$PWD/tests" "$folder/disc"
cp "$(command -v busybox)" "$root/bin/busybox"
cp tests/digests.txt "$root$PWD/tests/"
while read -r program arguments; do
  program=$(realpath "$program")
  echo "$program $arguments" >>"$root/list"
  for file in "$program" $(ldd "$program" | grep -o '/[^ ]*'); do
    mkdir -p "$root$(dirname "$file")"
    strip -o "$root$file" "$file"
  done
done
export -p | sed -n 's/^declare -x \(SPNM_[A-Z_]*=.*\)$/export \1/p' >"$root/variables"
cat >"$root/init" <<EOF
#!/bin/busybox sh
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t devtmpfs dev /dev
exec </dev/null >/dev/ttyS0 2>&1
cd $PWD
. /variables
failed=0
while read -r line; do
  echo "--- \${line##*/}"
  \$line || failed=1
done </list
echo "all have run: \$failed"
/bin/busybox poweroff -f
EOF
chmod +x "$root/init"
(cd "$root" && find . | cpio --quiet -o -H newc | gzip -1) >"$folder/disc/initrd.gz"
cp "$folder/vmlinuz" /usr/lib/ISOLINUX/isolinux.bin /usr/lib/syslinux/modules/bios/ldlinux.c32 "$folder/disc/"
# (Bochs 2.7 gives the size of a compacted state wrong: Linux, which checks it, does without.)
cat >"$folder/disc/isolinux.cfg" <<'EOF'
default tests
prompt 0
label tests
  kernel vmlinuz
  append initrd=initrd.gz console=ttyS0,115200 quiet mitigations=off clearcpuid=xsavec,xsaves
EOF
xorriso -as mkisofs -quiet -o "$folder/disc.iso" -b isolinux.bin -c boot.cat \
  -no-emul-boot -boot-load-size 4 -boot-info-table "$folder/disc" 2>"$folder/screen"

cd "$folder"
rm -f serial
echo continue >commands # to the debugger, where Bochs is built with one
cat >bochsrc <<'EOF'
cpu: model=corei7_skylake_x, ips=100000000, reset_on_triple_fault=0
megs: 1024
romimage: file=/usr/share/bochs/BIOS-bochs-latest
vgaromimage: file=/usr/share/vgabios/vgabios.bin
ata0-master: type=cdrom, path=disc.iso, status=inserted
boot: cdrom
com1: enabled=1, mode=file, dev=serial
sound: waveoutdrv=dummy
display_library: term
clock: sync=none
log: bochs.log
panic: action=fatal
error: action=ignore
info: action=ignore
EOF
# Bochs draws its screen on a terminal of its own, and waits when nobody reads that.
watch_screen() {
  local terminal=
  until [ -n "$terminal" ]; do
    sleep 0.2
    terminal=$(sed -n 's/^Bochs connected to screen "\(.*\)".*/\1/p' screen)
  done
  exec cat "$terminal" >/dev/null 2>&1
}
: >screen
watch_screen &
TERM=xterm timeout -s KILL $((60 * minutes)) bochs -q -f bochsrc -rc commands >screen 2>&1 </dev/null || true
kill $! 2>/dev/null || true # it has ended with its terminal, if there was one
sed 's/\r$//' serial | grep -v '^\[' # without what Linux says
grep -q '^all have run: 0' serial
