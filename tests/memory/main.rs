//! Nothing outside the operands is read or written: every buffer lies directly before, then directly
//! after, a page that may not be touched, with canaries on its other side and between its rows.
#![cfg(unix)]
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    reason = "the sizes of tests are small"
)]

mod arena;
#[path = "../common/mod.rs"]
mod common;
mod products;
mod pruning;
mod transposable;
mod views;

use arena::{Arena, Place};
use common::{Data, compressed, dense_of};
use spnm::{Isa, Method, Pattern, Rng};

/// One of the pattern's methods, most often MVUE. (Of rows that share indices, three are all that there are.)
fn method(data: &mut Data, p: Pattern, rng: Rng) -> Method {
    let mut all = vec![Method::Mvue(rng), Method::Mvue(rng), Method::Magnitude, Method::Keep];
    if p.group() == 1 {
        all.push(Method::SoftThreshold);
        if p.n() == 2 {
            all.push(Method::MvueApprox(rng));
        }
    }
    all[data.below(all.len())]
}

/// The data, made N:M where the method takes nothing else.
fn fit_for(method: Method, data: Vec<f32>, (rows, cols): (usize, usize), p: Pattern) -> Vec<f32> {
    if method != Method::Keep {
        return data;
    }
    let nm = compressed(Isa::Reference, Method::Magnitude, &data, (rows, cols), p);
    dense_of(nm.values(), nm.meta(), rows, cols, p)
}

/// Sizes around the edges of vectors, strips, tiles and panels.
const EDGES: [usize; 23] =
    [0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 23, 24, 25, 31, 32, 33, 47, 48, 49, 64, 65];

/// The guards guard: reading past them ends a child process with the message.
#[test]
fn guards_fault() {
    let arena = Arena::new(100);
    for place in [Place::End, Place::Start] {
        let block = arena.place(8, place);
        // SAFETY: the child only reads, faults and exits.
        unsafe {
            let child = libc::fork();
            if child == 0 {
                let null = libc::open(c"/dev/null".as_ptr(), libc::O_WRONLY);
                libc::dup2(null, 2);
                let outside = match place {
                    Place::End => block.ptr::<u8>().wrapping_add(8),
                    _ => block.ptr::<u8>().wrapping_sub(1),
                };
                std::hint::black_box(outside.read_volatile());
                libc::_exit(0);
            }
            let mut status = 0;
            assert_eq!(libc::waitpid(child, &raw mut status, 0), child);
            assert!(libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 101, "{place:?}");
        }
    }
}
