#!/bin/bash
# The C library as its users see it: installs it into a scratch prefix and tests what was installed.
# Works in target/ffi-tests; prints what it skips, and why. Arguments: the steps to run (all by default).
set -euo pipefail
cd "$(dirname "$0")/.."
ROOT=$PWD
WORK=$ROOT/target/ffi-tests
PREFIX=$WORK/prefix
CC=${CC:-gcc} CXX=${CXX:-g++}
WARNINGS="-Wall -Wextra -Wpedantic -Werror"
PROGRAMS="layout golden errors smoke methods tensor environment threads memory stack transposable"
SKIPPED=()
mkdir -p "$WORK"

skip() { echo "SKIPPED    $1"; SKIPPED+=("$1"); }
have() { command -v "$1" >/dev/null; }
# Reads to the end: `grep -q` would stop at the first match, and the writer die of a broken pipe.
contains() { awk -v pattern="$1" '$0 ~ pattern {found = 1} END {exit !found}'; }
fail() { echo "FAILED     $1"; exit 1; }

# compile OUTPUT FLAGS... -- LIBRARIES...: one C program of ffi-tests/c.
compile() {
  local output=$1 program=$2; shift 2
  "$CC" -std=c11 -D_DEFAULT_SOURCE -O1 -g $WARNINGS -Iffi-tests/c "ffi-tests/c/$program.c" -o "$output" "$@"
}

step_install() {
  cargo xtask header --check
  # Built with a test, which step rust of ci/test.sh has built: it is the library whose bits the Rust tests compare, as the
  # tests' dependencies turn on features of its dependencies. Without, cargo would compile another one.
  printf '#!/bin/sh\nexec cargo "$@" --test differential\n' >"$WORK/cargo"
  chmod +x "$WORK/cargo"
  CARGO=$WORK/cargo "$(target)/debug/xtask" install --prefix "$PREFIX"
  [ "$(readlink "$PREFIX/lib/libspnm.so")" = "$(soname)" ] || fail "libspnm.so does not lead to its soname"
  [ -e "$PREFIX/lib/$(soname)" ] || fail "the soname's link leads nowhere"
}
target() { cargo metadata --format-version 1 --no-deps | sed 's/.*"target_directory":"\([^"]*\)".*/\1/'; }
soname() { readelf -d "$PREFIX/lib/libspnm.so" | sed -n 's/.*SONAME.*\[\(.*\)\]/\1/p'; }

# What a package does: the folder of the architecture, a root that is not the prefix, libraries that are built already.
step_package() {
  local libdir=lib/of-a-name destdir=$WORK/package
  rm -rf "$destdir"
  "$(target)/debug/xtask" install --prefix /opt/spnm --libdir $libdir --destdir "$destdir" --built "$PREFIX/lib"
  diff <(files "$PREFIX" | sed "s|^\./lib/|./$libdir/|; s|^\.|./opt/spnm|") <(files "$destdir") || fail "a package has other files"
  diff <(sed "s|^prefix=.*|prefix=/opt/spnm|; s|^libdir=.*|libdir=\${prefix}/$libdir|" "$PREFIX/lib/pkgconfig/spnm.pc") \
    "$destdir/opt/spnm/$libdir/pkgconfig/spnm.pc" || fail "a package's spnm.pc has other paths"
  cmake -S ffi-tests/cmake -B "$WORK/package-cmake" -DCMAKE_PREFIX_PATH="$destdir/opt/spnm" >"$WORK/package-cmake.log" ||
    fail "CMake does not find a package in $libdir: $(tail -n 5 "$WORK/package-cmake.log")"
  echo "package    the same files in $libdir, where CMake finds them, under a destdir that spnm.pc does not name"
}

# Only spnm_* leaves the library, and only what is on the list.
step_symbols() {
  LC_ALL=C sort -c ffi-tests/symbols.txt
  nm -D --defined-only "$PREFIX/lib/libspnm.so" | awk '{print $3}' | LC_ALL=C sort | diff ffi-tests/symbols.txt - ||
    fail "the exported symbols are not those of ffi-tests/symbols.txt"
  # Every function of the header is exported, and the other way round.
  grep -o 'spnm_[a-z_]*(' "$PREFIX/include/spnm.h" | tr -d '(' | LC_ALL=C sort -u >"$WORK/declared"
  diff ffi-tests/symbols.txt "$WORK/declared" || fail "the header declares other functions than are exported"
  nm --defined-only -g "$PREFIX/lib/libspnm.a" 2>/dev/null | awk '$3 ~ /^spnm_/ {print $3}' | LC_ALL=C sort -u |
    diff ffi-tests/symbols.txt - || fail "the static library's spnm_ symbols differ"
  readelf -d "$PREFIX/lib/libspnm.so" | contains NODELETE || fail "dlclose could unload the code of running threads"
  echo "symbols    $(wc -l <ffi-tests/symbols.txt) exported, $(soname)"
}

step_header() {
  for std in c99 c11 c17; do
    "$CC" -std=$std $WARNINGS -Wstrict-prototypes -I"$PREFIX/include" -c ffi-tests/c/header.c -o "$WORK/header.o"
  done
  for std in c++11 c++14 c++17 c++20; do
    "$CXX" -x c++ -std=$std $WARNINGS -Wno-missing-declarations -I"$PREFIX/include" -c ffi-tests/c/header.c -o "$WORK/header.o"
  done
  for std in c++17 c++20; do
    "$CXX" -std=$std $WARNINGS -I"$PREFIX/include" -c ffi-tests/cpp/two.cpp -o "$WORK/header.o"
    "$CXX" -std=$std $WARNINGS -fno-exceptions -fno-rtti -I"$PREFIX/include" -c ffi-tests/cpp/two.cpp -o "$WORK/header.o"
  done
  echo "header     alone: c99 c11 c17 c++11 c++14 c++17 c++20; spnm.hpp: c++17 c++20, without exceptions too"
}

# Every C example of README.md and docs/C.md, and that of the header, compiles as it stands there: statements in a function.
step_docs() {
  rm -rf "$WORK/docs"; mkdir -p "$WORK/docs"
  for text in README docs/C; do
    awk -v name="$WORK/docs/$(basename $text)" \
      '/^```c$/ {inside = 1; n++; next} /^```$/ {inside = 0} inside {print >(name n ".block")}' $text.md
  done
  sed -n '/^ \* A minimal program:$/,/^ \*\/$/s/^ \*     //p' "$PREFIX/include/spnm.h" >"$WORK/docs/header1.block"
  local block source flags="$WARNINGS -Wconversion -I$PREFIX/include -Iffi-tests/c" count=0
  for block in README1 README2 C1 C2 C3 C4 C5 C6 header1; do
    [ -s "$WORK/docs/$block.block" ] || fail "an example is missing: $block"
  done
  for block in "$WORK"/docs/*.block; do
    source=${block%.block}.c
    if grep -q '#include' "$block"; then
      cp "$block" "$source"
    else
      { echo '#include "docs.h"'; echo 'void example(void);'; echo 'void example(void) {'; cat "$block"; echo '}'; } >"$source"
    fi
    "$CC" -std=c11 $flags -c "$source" -o "$WORK/docs/docs.o" || fail "as C: $(cat "$block")"
    "$CXX" -x c++ -std=c++17 $flags -c "$source" -o "$WORK/docs/docs.o" || fail "as C++: $(cat "$block")"
    count=$((count + 1))
  done
  echo "docs       $count examples of README.md, docs/C.md and spnm.h compile, as C and as C++"
}

pc() { PKG_CONFIG_PATH=$PREFIX/lib/pkgconfig pkg-config "$@"; }

# run_all FOLDER: the programs, and the levels that SPNM_MAX_ISA can force.
run_all() {
  for program in $PROGRAMS; do "$1/$program"; done
  for isa in reference portable avx2; do
    echo "           SPNM_MAX_ISA=$isa"
    for program in layout golden errors; do SPNM_MAX_ISA=$isa "$1/$program"; done
  done
}

step_shared() {
  have pkg-config || { skip "pkg-config is not there: nothing was linked by it"; return; }
  mkdir -p "$WORK/shared"
  [ "$(pc --modversion spnm)" = "$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -1)" ] || fail "spnm.pc's version"
  for program in $PROGRAMS; do
    compile "$WORK/shared/$program" $program $(pc --cflags spnm) $(pc --libs spnm) -lm -pthread -Wl,-rpath,"$PREFIX/lib"
    readelf -d "$WORK/shared/$program" | contains "NEEDED.*$(soname)" || fail "$program does not need the soname"
  done
  run_all "$WORK/shared"
  compile "$WORK/shared/unload" unload $(pc --cflags spnm) -ldl
  "$WORK/shared/unload" "$PREFIX/lib/$(soname)"
  "$CXX" -std=c++17 $WARNINGS $(pc --cflags spnm) ffi-tests/cpp/*.cpp -o "$WORK/shared/cpp" $(pc --libs spnm) -Wl,-rpath,"$PREFIX/lib"
  "$WORK/shared/cpp"
}

step_static() {
  have pkg-config || { skip "pkg-config is not there: nothing was linked by it"; return; }
  mkdir -p "$WORK/static"
  local libs; libs=$(pc --static --libs spnm | sed 's/-lspnm/-l:libspnm.a/')
  for program in $PROGRAMS; do
    compile "$WORK/static/$program" $program $(pc --cflags spnm) $libs -lm -pthread
    readelf -d "$WORK/static/$program" | (! grep -q libspnm) || fail "$program is not static"
  done
  run_all "$WORK/static"
}

step_cmake() {
  have cmake || { skip "cmake is not there: find_package(spnm) was not tried"; return; }
  # A copy outside the repository, and the installation moved: both must not matter.
  rm -rf "$WORK/cmake"; mkdir -p "$WORK/cmake"
  cp -r "$PREFIX" "$WORK/cmake/moved"
  cp -r ffi-tests/c ffi-tests/cpp ffi-tests/cmake "$WORK/cmake/"
  cmake -S "$WORK/cmake/cmake" -B "$WORK/cmake/build" -DCMAKE_PREFIX_PATH="$WORK/cmake/moved" -DCMAKE_BUILD_TYPE=Release >"$WORK/cmake/log"
  grep 'spnm [0-9]' "$WORK/cmake/log"
  cmake --build "$WORK/cmake/build" >>"$WORK/cmake/log" || { cat "$WORK/cmake/log"; fail "the CMake project"; }
  for program in smoke_shared smoke_static cpp_shared cpp_static; do "$WORK/cmake/build/$program"; done
  cmake -DFILE="$WORK/cmake/moved/share/spnm/cmake/spnm-config-version.cmake" -P "$WORK/cmake/cmake/versions.cmake"
  ! cmake -S "$WORK/cmake/cmake" -B "$WORK/cmake/none" -Dspnm_DIR="$WORK/cmake/moved/include" >/dev/null 2>&1 ||
    fail "find_package found what is not there"
}

# The C side with its sanitizers; memory.c closes the address space, which they need.
step_sanitizers() {
  local flags="-fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer"
  echo 'int main(void) { return 0; }' >"$WORK/empty.c"
  "$CC" $flags "$WORK/empty.c" -o "$WORK/empty" 2>/dev/null || { skip "$CC has no AddressSanitizer here"; return; }
  mkdir -p "$WORK/sanitized"
  for program in ${PROGRAMS/memory/}; do
    compile "$WORK/sanitized/$program" $program $flags -I"$PREFIX/include" -L"$PREFIX/lib" -lspnm -lm -pthread -Wl,-rpath,"$PREFIX/lib"
    nm "$WORK/sanitized/$program" | contains __asan_init || fail "no sanitizer in $program"
    local arguments=; [ $program = threads ] && arguments=idle
    "$WORK/sanitized/$program" $arguments
  done
  echo "           (memory not under sanitizers: it closes the address space)"
}

# The same programs against the library with Rust's own checks: overflow, alignment, assertions.
step_checked() {
  [ -x "$WORK/shared/smoke" ] || { skip "no programs to run with the checked library: the step shared did not link any"; return; }
  # With a test, which is built already: see step_install.
  cargo build --lib --test environment --all-features
  mkdir -p "$WORK/checked"
  ln -sf "$(target)/debug/libspnm.so" "$WORK/checked/$(soname)"
  LD_LIBRARY_PATH=$WORK/checked ldd "$WORK/shared/smoke" | contains "$WORK/checked" || fail "the checked library is not the one that is loaded"
  for program in $PROGRAMS; do
    LD_LIBRARY_PATH=$WORK/checked "$WORK/shared/$program"
  done
}

step_valgrind() {
  have valgrind || { skip "valgrind is not there"; return; }
  mkdir -p "$WORK/valgrind"
  for program in layout golden errors threads; do
    compile "$WORK/valgrind/$program" $program -I"$PREFIX/include" -L"$PREFIX/lib" -lspnm -lm -pthread -Wl,-rpath,"$PREFIX/lib"
    # A forked child loses, by design, what the threads held that it does not have.
    local leaks="--leak-check=full --errors-for-leak-kinds=definite --show-leak-kinds=definite"
    local arguments=; [ $program = threads ] && leaks=--leak-check=no arguments=once
    SPNM_MAX_ISA=avx2 valgrind -q --error-exitcode=9 $leaks "$WORK/valgrind/$program" $arguments ||
      fail "$program under valgrind"
  done
}

step_python() {
  have python3 && python3 -c 'import numpy' 2>/dev/null || { skip "python3 with NumPy is not there"; return; }
  export SPNM_LIB=$PREFIX/lib/libspnm.so
  SPNM_ORACLE=$ROOT/tests/oracle PYTHONDONTWRITEBYTECODE=1 python3 ffi-tests/python/train.py
  if [ -d ../shared/checks ]; then
    PYTHONDONTWRITEBYTECODE=1 python3 ../shared/checks/bad_input.py
    PYTHONDONTWRITEBYTECODE=1 METHODS=${METHODS:-mvue,magnitude} python3 ../shared/checks/bits.py
  else
    skip "no ../shared/checks: bits.py and bad_input.py"
  fi
  unset SPNM_LIB
}

step_mpi() {
  have mpicc && have mpirun || { skip "Open MPI (mpicc, mpirun) is not there"; return; }
  mpicc -std=c11 $WARNINGS -isystem "$(mpicc --showme:incdirs | cut -d' ' -f1)" -I"$PREFIX/include" ffi-tests/mpi/shards.c -o "$WORK/shards" \
    -L"$PREFIX/lib" -lspnm -lm -Wl,-rpath,"$PREFIX/lib"
  for ranks in 1 2 4; do mpirun --allow-run-as-root --oversubscribe -np $ranks "$WORK/shards"; done
}

# The same programs for aarch64, under qemu. AARCH64_ENV names a file to source that sets RUSTC for
# the target, where the default toolchain has no standard library for it.
step_aarch64() {
  local target=aarch64-unknown-linux-gnu cc=aarch64-linux-gnu-gcc xtask; xtask=$(target)/debug/xtask
  local environment=${AARCH64_ENV:-}
  have $cc && have qemu-aarch64 || { skip "aarch64: no $cc or qemu-aarch64"; return; }
  set +e # in a condition, `set -e` would not hold inside
  (
    set -e
    [ -f "$environment" ] && . "$environment"
    unset CARGO_BUILD_TARGET
    export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=$cc CARGO_TARGET_DIR=$ROOT/target/cross
    [ -d "$("${RUSTC:-rustc}" --print sysroot)/lib/rustlib/$target" ] || exit 77
    # With a test, as in step_install: it is the build of the Rust tests for it.
    cargo build --lib --test environment --features capi --target $target
    "$xtask" install --prefix "$WORK/aarch64" --target $target --built "$CARGO_TARGET_DIR/$target/debug"
  )
  status=$?
  set -e
  [ $status = 77 ] && { skip "aarch64: no standard library of Rust for it"; return; }
  [ $status = 0 ] || fail "the aarch64 build"
  mkdir -p "$WORK/aarch64/bin"
  local run="qemu-aarch64 -L /usr/aarch64-linux-gnu" libs
  libs=$(PKG_CONFIG_PATH=$WORK/aarch64/lib/pkgconfig pkg-config --static --libs spnm | sed 's/-lspnm/-l:libspnm.a/')
  nm -D --defined-only "$WORK/aarch64/lib/libspnm.so" | awk '{print $3}' | LC_ALL=C sort | diff ffi-tests/symbols.txt -
  for program in ${PROGRAMS/memory/}; do
    CC=$cc compile "$WORK/aarch64/bin/$program" $program -I"$WORK/aarch64/include" -L"$WORK/aarch64/lib" -lspnm -lm -pthread
    # qemu-user loses its place when a process with threads forks.
    local arguments=; [ $program = threads ] && arguments=nofork
    $run -E LD_LIBRARY_PATH="$WORK/aarch64/lib" "$WORK/aarch64/bin/$program" $arguments
  done
  CC=$cc compile "$WORK/aarch64/bin/golden_static" golden -I"$WORK/aarch64/include" $libs -lm -pthread
  $run "$WORK/aarch64/bin/golden_static"
  echo "           (memory not under qemu: its own memory counts too)"
}

files() { (cd "$1" && find . ! -type d | LC_ALL=C sort); }
# What a linker sees of a prefix: symbols, soname, flags.
exports() {
  nm -D --defined-only "$1/lib/libspnm.so" | awk '{print $3}' | LC_ALL=C sort
  readelf -d "$1/lib/libspnm.so" | grep -E 'SONAME|FLAGS' | sed 's/.*) *//'
}
# What pkg-config says of a prefix.
flags() {
  PKG_CONFIG_PATH=$1/lib/pkgconfig pkg-config --modversion --cflags --libs --define-variable=prefix=/prefix spnm
  PKG_CONFIG_PATH=$1/lib/pkgconfig pkg-config --static --libs --define-variable=prefix=/prefix spnm | tr ' ' '\n' | sort -u
}

# cargo-c, where it is: the same files as cargo xtask install.
step_cargo_c() {
  have cargo-cinstall || { skip "cargo-c is not there: cargo cinstall was not compared"; return; }
  rm -rf "$WORK/cargo-c"
  cargo cinstall --release --library-type cdylib --library-type staticlib --libdir lib --prefix "$WORK/cargo-c"
  diff <(files "$PREFIX") <(files "$WORK/cargo-c") || fail "cargo-c installs other files"
  for file in include/spnm.h include/spnm.hpp share/spnm/cmake/spnm-config.cmake; do cmp "$PREFIX/$file" "$WORK/cargo-c/$file"; done
  diff <(exports "$PREFIX") <(exports "$WORK/cargo-c") || fail "cargo-c's library has other symbols, soname or flags"
  diff <(flags "$PREFIX") <(flags "$WORK/cargo-c") || fail "cargo-c's pkg-config file gives other flags"
  echo "cargo-c    installs the same files, symbols, soname and flags"
}

STEPS="install package symbols header docs shared static cmake sanitizers checked valgrind python mpi aarch64 cargo_c"
[ $# = 0 ] || STEPS=$*
for step in $STEPS; do
  echo "== $step"
  "step_$step"
done
echo "== ffi-tests passed: $STEPS"
if [ ${#SKIPPED[@]} -gt 0 ]; then
  echo "   ${#SKIPPED[@]} things were NOT tested:"
  printf '   - %s\n' "${SKIPPED[@]}"
fi
