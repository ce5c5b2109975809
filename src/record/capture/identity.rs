//! Is an image still the one that was listed?
//!
//! A library that is closed may have another one opened over its range, and the
//! list of modules is only as new as its last refresh. glibc 2.35 and newer tell
//! without a lock what is loaded at an address (`_dl_find_object`); what is there
//! is then compared with what was there.
#![allow(clippy::disallowed_types)]

use core::ffi::{c_int, c_void};
use core::mem;
use core::ptr;

use crate::record::sync::{AtomicPtr, Ordering};

/// Enough for the ELF header, the program headers and, as linkers lay images
/// out, the build id.
const FIRST_BYTES: usize = 1024;

/// What tells one image from another that lies at the same place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    place: Place,
    first_bytes: Box<[u8]>,
}

/// What the loader says of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    start: u64,
    end: u64,
    unwind_index: u64,
}

impl Identity {
    /// Of the image around `code`, whose first segment begins with `first_bytes`.
    /// `None` where the loader cannot be asked. Not inside an allocation.
    pub(super) fn of(code: u64, first_bytes: &[u8]) -> Option<Self> {
        let place = loaded_at(code)?;
        let first_bytes = first_bytes.get(..FIRST_BYTES).unwrap_or(first_bytes);
        let is_first = first_bytes.as_ptr().addr() as u64 == place.start;
        is_first.then(|| Self {
            place,
            first_bytes: first_bytes.into(),
        })
    }

    /// Is it this image that is loaded around `code` now? For code that is
    /// running: its image then stays where it is meanwhile.
    pub(super) fn is_at(&self, code: u64) -> bool {
        if loaded_at(code) != Some(self.place) {
            return false;
        }
        // SAFETY: the loader has an image of this place. Its first page is mapped
        // and holds the program headers that it was loaded by, and it cannot be
        // closed while its code is on a stack.
        let first_bytes = unsafe {
            core::slice::from_raw_parts(self.place.start as *const u8, self.first_bytes.len())
        };
        *first_bytes == *self.first_bytes
    }
}

type FindObject = unsafe extern "C" fn(*mut c_void, *mut Found) -> c_int;

/// `struct dl_find_object`, with room for what may be added to it.
#[repr(C)]
struct Found {
    flags: u64,
    map_start: u64,
    map_end: u64,
    link_map: u64,
    unwind_index: u64,
    _reserved: [u64; 27],
}

/// glibc's function, if it has one. Relaxed: it stands alone.
static FIND_OBJECT: AtomicPtr<c_void> = AtomicPtr::new(ptr::null_mut());

/// Looks the function up. Takes the loader's lock: not inside an allocation.
pub(super) fn prepare() {
    // SAFETY: looks a symbol up by a valid name.
    let found = unsafe { libc::dlsym(libc::RTLD_DEFAULT, c"_dl_find_object".as_ptr()) };
    FIND_OBJECT.store(found, Ordering::Relaxed);
}

/// Can the loader be asked?
pub(super) fn can_be_told() -> bool {
    !FIND_OBJECT.load(Ordering::Relaxed).is_null()
}

fn loaded_at(code: u64) -> Option<Place> {
    let function = FIND_OBJECT.load(Ordering::Relaxed);
    if function.is_null() {
        return None;
    }
    let mut found = Found {
        flags: 0,
        map_start: 0,
        map_end: 0,
        link_map: 0,
        unwind_index: 0,
        _reserved: [0; 27],
    };
    // SAFETY: glibc's function of this name has this type. It neither locks nor
    // allocates, and fills in at most the structure.
    let failed = unsafe {
        let find_object = mem::transmute::<*mut c_void, FindObject>(function);
        find_object(code as *mut c_void, &raw mut found) != 0
    };
    (!failed).then_some(Place {
        start: found.map_start,
        end: found.map_end,
        unwind_index: found.unwind_index,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The C library's own first bytes.
    fn of_libc() -> Option<(u64, Identity)> {
        prepare();
        let code = libc::free as *const () as u64;
        let start = loaded_at(code)?.start;
        // SAFETY: the first page of a loaded image.
        let first_bytes = unsafe { core::slice::from_raw_parts(start as *const u8, 4096) };
        Some((code, Identity::of(code, first_bytes)?))
    }

    #[test]
    fn an_image_is_itself_and_no_other() {
        let Some((code, libc)) = of_libc() else {
            assert!(!can_be_told(), "the C library was not found");
            return;
        };
        assert!(libc.is_at(code));
        assert!(!libc.is_at(an_image_is_itself_and_no_other as *const () as u64));
        assert!(!libc.is_at(0x1000));
        let mut other = libc.clone();
        other.first_bytes[FIRST_BYTES - 1] ^= 1;
        assert!(!other.is_at(code), "another image at the same place");
        assert!(Identity::of(code, &libc.first_bytes).is_none());
    }
}
