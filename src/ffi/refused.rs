//! Why a call was refused: a number, which it returns, and a text, which its thread can ask for.

use super::status::{message, status_of};
use super::types::{SPNM_E_NULL, spnm_status};
use crate::error::Error;
use std::cell::Cell;
use std::ffi::c_char;
use std::fmt::{self, Display, Write};

/// Why a call was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// An argument that only a C caller can get wrong, and its value, if it is not NULL.
    Here { status: spnm_status, argument: &'static str, value: Option<u64> },
    /// The operation refused it, or found no memory.
    ByOps(Error),
}

impl Refused {
    pub(super) const fn null(argument: &'static str) -> Self {
        Self::Here { status: SPNM_E_NULL, argument, value: None }
    }

    pub(super) fn value(
        status: spnm_status,
        argument: &'static str,
        value: impl Into<u64>,
    ) -> Self {
        Self::Here { status, argument, value: Some(value.into()) }
    }

    pub(super) fn status(self) -> spnm_status {
        match self {
            Self::Here { status, .. } => status,
            Self::ByOps(error) => status_of(error),
        }
    }
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        Self::ByOps(error)
    }
}

impl Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Here { argument, value: None, .. } => write!(f, "`{argument}` is NULL"),
            Self::Here { status, argument, value: Some(value) } => {
                let why = message(status).to_str().unwrap_or_default();
                write!(f, "`{argument}` is {value}: {why}")
            }
            Self::ByOps(Error::Null { argument }) => {
                write!(f, "the data of `{argument}` is NULL, and it has elements")
            }
            Self::ByOps(error) => error.fmt(f),
        }
    }
}

/// Bytes of a text, its end included. What is longer is cut off.
const ROOM: usize = 256;

thread_local! {
    /// Without a destructor, so that it is there as long as the thread is.
    static LAST: Cell<[u8; ROOM]> = const { Cell::new([0; ROOM]) };
}

/// Keeps a text for this thread. Allocates nothing.
pub(super) fn remember(what: &dyn Display) {
    let mut text = Text { bytes: [0; ROOM], len: 0 };
    // It never fails.
    _ = write!(text, "{what}");
    LAST.set(text.bytes);
}

struct Text {
    bytes: [u8; ROOM],
    len: usize,
}

impl Write for Text {
    fn write_str(&mut self, part: &str) -> fmt::Result {
        let fits = part.len().min(ROOM - 1 - self.len);
        self.bytes[self.len..][..fits].copy_from_slice(&part.as_bytes()[..fits]);
        self.len += fits;
        Ok(())
    }
}

/// What was wrong in this thread's last call that returned an error: the argument and its value, in English,
/// such as "rows of `out` is 3, but must be 2" (the argument alone where no number holds the value: the extent of a
/// view that exceeds the address space). At most 255 bytes; empty before the first error; never NULL.
///
/// A call that succeeds leaves the text alone, and so do calls of other threads. The pointer stays valid as
/// long as the thread lives; its next error writes another text there. For logs, not for programs: texts may
/// change, statuses do not.
#[unsafe(no_mangle)]
pub extern "C" fn spnm_last_error() -> *const c_char {
    LAST.with(|text| text.as_ptr().cast_const().cast())
}
