//! Two vectors side by side.

use super::Lanewise;

/// The lanes of two vectors of `L`, operation by operation: while a chain of one waits for a result, the other's goes on.
#[derive(Clone, Copy)]
pub(crate) struct Twice<L>(pub(crate) L);

macro_rules! both {
    ($($name:ident($($a:ident: $of:ident),*) -> $to:ident;)*) => {$(
        #[inline(always)]
        fn $name(self, $($a: Self::$of),*) -> Self::$to {
            [self.0.$name($($a[0]),*), self.0.$name($($a[1]),*)]
        }
    )*};
}

impl<L: Lanewise> Lanewise for Twice<L> {
    type F = [L::F; 2];
    type U = [L::U; 2];
    type M = [L::M; 2];
    const COUNTS_ONES: bool = L::COUNTS_ONES;

    both! {
        add(a: F, b: F) -> F;
        mul(a: F, b: F) -> F;
        div(a: F, b: F) -> F;
        sqrt(a: F) -> F;
        fma(a: F, b: F, c: F) -> F;
        min(a: F, b: F) -> F;
        max(a: F, b: F) -> F;
        abs(a: F) -> F;
        copysign(magnitude: F, sign: F) -> F;
        le(a: F, b: F) -> M;
        lt(a: F, b: F) -> M;
        eq(a: F, b: F) -> M;
        and(a: M, b: M) -> M;
        or(a: M, b: M) -> M;
        select(mask: M, a: F, b: F) -> F;
        one_where(mask: M, a: F, b: F) -> F;
        one_unless_zero(a: F) -> U;
        raise(x: F, least: F) -> F;
        add_u(a: U, b: U) -> U;
        and_u(a: U, b: U) -> U;
        or_u(a: U, b: U) -> U;
        xor(a: U, b: U) -> U;
        eq_u(a: U, b: U) -> M;
        le_u(a: U, b: U) -> M;
        select_u(mask: M, a: U, b: U) -> U;
        add_where(mask: M, a: U, b: U) -> U;
        to_f32(a: U) -> F;
        with_bits(a: U) -> F;
    }

    #[inline(always)]
    fn splat(self, x: f32) -> Self::F {
        [self.0.splat(x); 2]
    }
    #[inline(always)]
    fn splat_u(self, x: u32) -> Self::U {
        [self.0.splat_u(x); 2]
    }
    #[inline(always)]
    fn shl(self, a: Self::U, by: u32) -> Self::U {
        [self.0.shl(a[0], by), self.0.shl(a[1], by)]
    }
    #[inline(always)]
    fn shr(self, a: Self::U, by: u32) -> Self::U {
        [self.0.shr(a[0], by), self.0.shr(a[1], by)]
    }
    #[inline(always)]
    fn count_down<const K: usize>(self, from: i8, masks: [Self::M; K]) -> Self::F {
        let mut apart = [[masks[0][0]; K]; 2];
        for i in 0..K {
            [apart[0][i], apart[1][i]] = masks[i];
        }
        [self.0.count_down(from, apart[0]), self.0.count_down(from, apart[1])]
    }
    #[inline(always)]
    fn all(self, a: Self::M) -> bool {
        self.0.all(a[0]) && self.0.all(a[1])
    }
}
