//! Libraries that a test builds, opens and closes.

use std::alloc::{self, Layout};
use std::ffi::{CString, c_void};
use std::hint::black_box;
use std::mem;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::ptr;

/// The size of what plugins allocate. Nothing else asks for it.
pub const BYTES: usize = 7_777;

/// Builds the plugin of this name, `first` or `second`.
///
/// # Panics
/// If it cannot be built.
pub fn build(folder: &Path, name: &str) -> PathBuf {
    // Each has a build id, as linkers write it by default or are asked to.
    build_with(folder, name, "--build-id")
}

/// Builds the same code as `first`, with a build id of its own: as if it had been
/// built again, with something changed that is elsewhere.
///
/// # Panics
/// If it cannot be built.
pub fn rebuild_first(folder: &Path) -> PathBuf {
    build_with(
        folder,
        "first",
        "--build-id=0x0123456789abcdef0123456789abcdef01234567",
    )
}

fn build_with(folder: &Path, name: &str, build_id: &str) -> PathBuf {
    let library = folder.join(format!("lib{name}.so"));
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("plugins/plugin.rs");
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let status = Command::new(rustc)
        .args(["--edition=2024", "--crate-type=cdylib", "-g"])
        .args(["--crate-name=plugin", "-Copt-level=1", "-Cpanic=abort"])
        .arg(format!("-Clink-arg=-Wl,{build_id}"))
        .args(["--cfg", name, "-o"])
        .arg(&library)
        .arg(source)
        .status()
        .expect("rustc can be started");
    assert!(status.success(), "{status}");
    library
}

/// An opened plugin.
#[derive(Debug)]
pub struct Plugin {
    handle: *mut c_void,
    allocate: extern "C" fn(usize) -> *mut u8,
}

impl Plugin {
    /// Opens a library, and has it allocate from this program.
    ///
    /// # Panics
    /// If it cannot be opened.
    pub fn open(library: &Path) -> Self {
        extern "C" fn host_alloc(size: usize, align: usize) -> *mut u8 {
            // SAFETY: the plugin's own layout.
            unsafe { alloc::alloc(Layout::from_size_align_unchecked(size, align)) }
        }

        extern "C" fn host_dealloc(ptr: *mut u8, size: usize, align: usize) {
            // SAFETY: the plugin's own block and layout.
            unsafe { alloc::dealloc(ptr, Layout::from_size_align_unchecked(size, align)) }
        }

        let name = CString::new(library.as_os_str().as_bytes()).expect("no zero in it");
        // SAFETY: the library is ours, and its functions have these types.
        unsafe {
            let handle = libc::dlopen(name.as_ptr(), libc::RTLD_NOW | libc::RTLD_LOCAL);
            assert!(!handle.is_null(), "{}", library.display());
            let start = libc::dlsym(handle, c"plugin_start".as_ptr());
            let allocate = libc::dlsym(handle, c"plugin_allocate".as_ptr());
            assert!(!start.is_null() && !allocate.is_null());
            type Start = extern "C" fn(
                extern "C" fn(usize, usize) -> *mut u8,
                extern "C" fn(*mut u8, usize, usize),
            );
            mem::transmute::<*mut c_void, Start>(start)(host_alloc, host_dealloc);
            Self {
                handle,
                allocate: mem::transmute::<*mut c_void, extern "C" fn(usize) -> *mut u8>(allocate),
            }
        }
    }

    /// Opens a library so that its code is where `code` was.
    ///
    /// # Panics
    /// If the loader never uses the range again.
    pub fn open_at(library: &Path, code: usize) -> Self {
        for _ in 0..100 {
            let plugin = Self::open(library);
            if plugin.code().abs_diff(code) < 4096 {
                return plugin;
            }
            plugin.close();
            // What lies in the hole otherwise is put in the way until it is not.
            // SAFETY: a new mapping that is only ever there.
            unsafe {
                let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
                libc::mmap(ptr::null_mut(), 4096, libc::PROT_NONE, flags, -1, 0)
            };
        }
        panic!("the loader never used the range again");
    }

    /// Has the plugin allocate a block, which outlives it.
    pub fn allocate(&self) -> Held {
        ask_for_a_block(self.allocate)
    }

    /// Where its code is.
    pub fn code(&self) -> usize {
        self.allocate as *const () as usize
    }

    /// Closes it, and makes sure that it is gone.
    ///
    /// # Panics
    /// If it is not.
    pub fn close(self) {
        // SAFETY: nothing of it is used any more.
        assert_eq!(unsafe { libc::dlclose(self.handle) }, 0);
        let mut info = mem::MaybeUninit::<libc::Dl_info>::uninit();
        // SAFETY: asks the loader about an address.
        let found = unsafe { libc::dladdr(self.code() as *const c_void, info.as_mut_ptr()) };
        assert_eq!(found, 0, "the library is still there");
    }
}

/// The plugin's caller, for profiles to name.
#[inline(never)]
fn ask_for_a_block(allocate: extern "C" fn(usize) -> *mut u8) -> Held {
    // Not the last thing done here, or it would be a jump instead of a call.
    black_box(Held(allocate(BYTES)))
}

/// A block that a plugin allocated, freed by the host.
#[derive(Debug)]
pub struct Held(*mut u8);

impl Drop for Held {
    fn drop(&mut self) {
        let layout = Layout::array::<u8>(BYTES).expect("it is small");
        // SAFETY: allocated with this layout, and owned.
        unsafe { alloc::dealloc(self.0, layout) };
    }
}
