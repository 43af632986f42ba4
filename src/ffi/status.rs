//! Numbers and texts of what can be wrong.

use super::types::*;
use crate::error::Error;

/// The one place where errors get their numbers.
pub(super) fn status_of(error: Error) -> spnm_status {
    match error {
        Error::Null { .. } => SPNM_E_NULL,
        Error::Pattern { .. } | Error::Group { .. } => SPNM_E_PATTERN,
        Error::Shape { .. } | Error::ShardColumn { .. } | Error::ShardRow { .. } => SPNM_E_SHAPE,
        // Views of slices are made by Rust callers alone; this side has no slices.
        Error::LeadingDimension { .. }
        | Error::Aliased { .. }
        | Error::OutOfSlice { .. }
        | Error::BeforeSlice { .. } => SPNM_E_STRIDE,
        Error::Overflow { .. } => SPNM_E_OVERFLOW,
        Error::Overlap { .. } => SPNM_E_OVERLAP,
        Error::NotNm { .. } => SPNM_E_NOT_NM,
        Error::Meta { .. } => SPNM_E_META,
        Error::Isa { .. } => SPNM_E_ISA,
        Error::Threads { .. } | Error::Value { .. } | Error::Ungrouped { .. } => SPNM_E_OPTION,
        Error::Memory { .. } | Error::NoThread { .. } => SPNM_E_MEMORY,
    }
}

/// A text for any number.
pub(super) fn message(status: spnm_status) -> &'static std::ffi::CStr {
    match status {
        SPNM_OK => c"success",
        SPNM_E_NULL => c"a pointer is NULL that must not be",
        SPNM_E_STRUCT_SIZE => c"struct_size is not the size of any known version of the struct",
        SPNM_E_OPTION => {
            c"unknown method, or one without groups of rows; flags or reserved field not 0; or a number out of its range"
        }
        SPNM_E_PATTERN => {
            c"n:m (keep n of every m) is not a supported pattern or not one of the method's, or group is not 1 to 64"
        }
        SPNM_E_DTYPE => c"this dtype is not supported",
        SPNM_E_SHAPE => {
            c"operands disagree about a size, or row0, col0 are no multiples of group, m"
        }
        SPNM_E_STRIDE => {
            c"a leading dimension is smaller than a row, or elements of an output share memory"
        }
        SPNM_E_OVERFLOW => {
            c"an extent exceeds the address space, or rows or groups exceed their limit"
        }
        SPNM_E_OVERLAP => c"an output overlaps another operand",
        SPNM_E_NOT_NM => c"the matrix is not N:M: a group has more than n non-zeros",
        SPNM_E_META => {
            c"malformed metadata: indices not ascending, out of range, or padding bits set"
        }
        SPNM_E_ISA => c"this instruction set is unknown, or not available here",
        SPNM_E_MEMORY => c"memory or a thread could not be had",
        SPNM_E_PANIC => c"internal error: a bug in spnm; outputs may be partly written",
        _ => c"not a status of this version of spnm",
    }
}
