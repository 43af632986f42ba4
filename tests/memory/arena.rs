//! Memory between pages that fault, and what says which case faulted.

use std::cell::RefCell;

pub(crate) const CANARY: u8 = 0xA5;
/// Bytes of canary that are checked on a buffer's open side.
pub(crate) const MARGIN: usize = 64;

/// Memory between two pages that fault.
pub(crate) struct Arena {
    base: *mut u8,
    len: usize,
    page: usize,
}

/// Where in its arena a buffer lies.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Place {
    /// Its last byte is the last before a page that faults.
    End,
    /// Its first byte is the first after a page that faults.
    Start,
    /// So many bytes past a multiple of 64.
    Offset(usize),
}

impl Arena {
    pub(crate) fn new(bytes: usize) -> Self {
        install_handler();
        // SAFETY: plain system calls; the results are checked.
        unsafe {
            let page = usize::try_from(libc::sysconf(libc::_SC_PAGESIZE)).expect("a page size");
            let len = bytes.next_multiple_of(page);
            let base = libc::mmap(
                std::ptr::null_mut(),
                len + 2 * page,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
                -1,
                0,
            );
            assert_ne!(base, libc::MAP_FAILED, "mmap");
            for guard in [base, base.byte_add(page + len)] {
                assert_eq!(libc::mprotect(guard, page, libc::PROT_NONE), 0, "mprotect");
            }
            Self { base: base.cast::<u8>().add(page), len, page }
        }
    }

    /// A place for `bytes` bytes, filled with canaries, as is what surrounds it.
    pub(crate) fn place(&self, bytes: usize, place: Place) -> Block {
        let offset = match place {
            Place::End => self.len.checked_sub(bytes).expect("an arena large enough"),
            Place::Start => 0,
            Place::Offset(offset) => MARGIN + offset,
        };
        let from = offset.saturating_sub(MARGIN);
        let to = self.len.min(offset + bytes + MARGIN);
        assert!(offset + bytes <= self.len, "{bytes} bytes in an arena of {}", self.len);
        // SAFETY: within the arena.
        unsafe { self.base.add(from).write_bytes(CANARY, to - from) };
        Block { base: self.base, from, offset, end: offset + bytes, to }
    }
}

impl Drop for Arena {
    fn drop(&mut self) {
        // SAFETY: what `new` mapped.
        unsafe { libc::munmap(self.base.sub(self.page).cast(), self.len + 2 * self.page) };
    }
}

/// A buffer in an arena, and the canaries around it.
#[derive(Clone, Copy)]
pub(crate) struct Block {
    base: *mut u8,
    from: usize,
    offset: usize,
    end: usize,
    to: usize,
}

impl Block {
    pub(crate) fn ptr<T>(&self) -> *mut T {
        self.base.wrapping_add(self.offset).cast()
    }

    pub(crate) fn canaries_live(&self) -> bool {
        // SAFETY: within the arena, filled by `place`.
        let bytes = |from: usize, to: usize| unsafe {
            std::slice::from_raw_parts(self.base.add(from), to - from)
        };
        [bytes(self.from, self.offset), bytes(self.end, self.to)]
            .concat()
            .iter()
            .all(|&b| b == CANARY)
    }
}

thread_local! {
    /// The case under way, for the message of a fault.
    static CASE: RefCell<String> = const { RefCell::new(String::new()) };
}

pub(crate) fn case(what: impl FnOnce(&mut String)) {
    CASE.with_borrow_mut(|text| {
        text.clear();
        what(text);
    });
}

pub(crate) fn case_text() -> String {
    CASE.with_borrow(Clone::clone)
}

/// A fault ends the test binary, but says first which case it was.
pub(crate) fn install_handler() {
    extern "C" fn handler(_: libc::c_int) {
        CASE.with(|text| {
            // SAFETY: the thread that faulted was in the library, which does not touch the text.
            let text = unsafe { &*text.as_ptr() };
            for part in ["\nmemory fault outside the operands: ", text, "\n"] {
                // SAFETY: a write of valid bytes.
                unsafe { libc::write(2, part.as_ptr().cast(), part.len()) };
            }
        });
        // SAFETY: ends the process.
        unsafe { libc::_exit(101) };
    }
    for signal in [libc::SIGSEGV, libc::SIGBUS] {
        // SAFETY: a handler that only writes and exits.
        unsafe { libc::signal(signal, handler as *const () as libc::sighandler_t) };
    }
}
