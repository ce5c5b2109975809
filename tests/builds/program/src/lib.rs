//! The same for programs in other languages, which load it while they run.
//! Rust's memory in this library is all that heapprof sees of them.

mod owners;

use std::ffi::{CStr, OsStr, c_char, c_int};
use std::os::unix::ffi::OsStrExt;

use owners::Held;

/// Allocates; goes back to [`guest_release`].
#[unsafe(no_mangle)]
pub extern "C" fn guest_hold() -> *mut std::ffi::c_void {
    Box::into_raw(Box::new(Held::new())).cast()
}

/// Writes a profile, and returns 0 if that worked.
///
/// # Safety
/// `path` must be a string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn guest_dump(path: *const c_char) -> c_int {
    // SAFETY: the caller's promise.
    let path = unsafe { CStr::from_ptr(path) };
    match heapprof::dump_heap_to(OsStr::from_bytes(path.to_bytes())) {
        Ok(()) => 0,
        Err(error) => {
            eprintln!("{error}");
            1
        }
    }
}

/// Frees.
///
/// # Safety
/// `held` must come from [`guest_hold`], and come back once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn guest_release(held: *mut std::ffi::c_void) {
    // SAFETY: the caller's promise.
    drop(unsafe { Box::from_raw(held.cast::<Held>()) });
}
