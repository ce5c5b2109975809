#![forbid(unsafe_code)]
//! Which frames at the top of a stack are not shown: those of the allocator, so
//! that the first one is the user's own call, `Vec::push` or `Box::new`.

use super::owner::Owner;

/// How many leading frames to leave out.
///
/// 0 if nothing would be left.
pub(crate) fn hidden_frames(owners: impl Iterator<Item = Owner>) -> usize {
    let (mut hidden, mut len) = (0, 0);
    let mut in_allocator = true;
    let mut previous = Owner::Allocator;
    for owner in owners {
        let caller_is_alloc = matches!(owner, Owner::Alloc | Owner::AllocStep);
        match owner {
            Owner::Profiler => {
                hidden = len + 1;
                in_allocator = true;
            }
            Owner::Allocator if in_allocator => hidden = len + 1,
            _ if in_allocator && caller_is_alloc && previous == Owner::AllocStep => hidden = len,
            _ => {}
        }
        in_allocator &= !matches!(owner, Owner::Alloc | Owner::User);
        previous = owner;
        len += 1;
    }
    if hidden == len { 0 } else { hidden }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::export::owner::owner;

    fn first_shown(names: &[&'static str]) -> &'static str {
        names[hidden_frames(names.iter().map(|name| owner(name, "")))]
    }

    #[test]
    fn the_first_frame_shown_is_the_users_call() {
        for (stack, shown) in [
            (
                &[
                    "heapprof::record::recorder::on_alloc",
                    "std::thread::local::LocalKey<T>::with",
                    "<heapprof::alloc::Alloc<A> as core::alloc::global::GlobalAlloc>::alloc",
                    "__rustc::__rust_alloc",
                    "alloc::alloc::exchange_malloc",
                    "alloc::boxed::Box<T>::new",
                    "app::main",
                ][..],
                "alloc::boxed::Box<T>::new",
            ),
            (
                &[
                    "__rust_realloc",
                    "<alloc::alloc::Global as core::alloc::Allocator>::grow",
                    "alloc::raw_vec::finish_grow",
                    "core::result::Result<T,E>::and_then",
                    "alloc::raw_vec::RawVec<T,A>::grow_one",
                    "alloc::vec::Vec<T,A>::push",
                    "app::main",
                ],
                "alloc::vec::Vec<T,A>::push",
            ),
            (
                &[
                    "<alloc::raw_vec::RawVecInner>::reserve::do_reserve_and_handle::<alloc::alloc::Global>",
                    "<alloc::vec::Vec<u8>>::reserve",
                    "std::io::Write::write_all",
                ],
                "<alloc::vec::Vec<u8>>::reserve",
            ),
            // A user's own allocator around ours.
            (
                &[
                    "<heapprof::alloc::Alloc<A> as core::alloc::global::GlobalAlloc>::alloc",
                    "<app::Limit as core::alloc::global::GlobalAlloc>::alloc",
                    "__rg_alloc",
                    "app::arena",
                ],
                "app::arena",
            ),
            // Whatever the profiler calls to unwind.
            (
                &[
                    "backtrace::trace",
                    "heapprof::record::on_alloc",
                    "__rust_alloc",
                    "app::main",
                ],
                "app::main",
            ),
            // Steps are left out only below the call that took them.
            (
                &[
                    "alloc::raw_vec::RawVec<T,A>::grow_one",
                    "alloc::vec::Vec<T,A>::push_mut",
                    "alloc::vec::Vec<T,A>::push",
                    "app::main",
                ],
                "alloc::vec::Vec<T,A>::push",
            ),
            (
                &["alloc::vec::Vec<T,A>::with_capacity_in", "app::main"],
                "alloc::vec::Vec<T,A>::with_capacity_in",
            ),
            (&["core::iter::collect", "app::main"], "core::iter::collect"),
            (
                &["heapprof_demo::record::fill", "app::main"],
                "heapprof_demo::record::fill",
            ),
            (
                &["heapprof::record::tests::fill", "app::main"],
                "heapprof::record::tests::fill",
            ),
            (&["app::alloc::alloc", "app::main"], "app::alloc::alloc"),
        ] {
            assert_eq!(first_shown(stack), shown);
        }
    }

    #[test]
    fn nothing_is_hidden_if_nothing_would_be_left() {
        assert_eq!(
            hidden_frames([Owner::Allocator, Owner::Allocator].into_iter()),
            0
        );
        assert_eq!(hidden_frames(std::iter::empty()), 0);
    }
}
