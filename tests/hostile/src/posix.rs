//! Threads as C starts them, where the standard library's own would allocate
//! by themselves or cannot be had as small.

use std::ffi::c_void;
use std::ptr;

/// A thread that runs one function on a stack of a chosen size.
#[derive(Debug)]
pub struct Thread(libc::pthread_t);

impl Thread {
    /// Starts it. Allocates nothing through the global allocator.
    ///
    /// # Panics
    /// If no thread can be started.
    pub fn start(body: extern "C" fn(*mut c_void) -> *mut c_void, stack_bytes: usize) -> Self {
        let mut id = 0;
        let mut attributes = std::mem::MaybeUninit::uninit();
        // SAFETY: the attributes are initialized first and destroyed last, and
        // `body` takes what every thread takes.
        let errors = unsafe {
            [
                libc::pthread_attr_init(attributes.as_mut_ptr()),
                libc::pthread_attr_setstacksize(attributes.as_mut_ptr(), stack_bytes),
                libc::pthread_attr_setguardsize(attributes.as_mut_ptr(), 4096),
                libc::pthread_create(&raw mut id, attributes.as_ptr(), body, ptr::null_mut()),
                libc::pthread_attr_destroy(attributes.as_mut_ptr()),
            ]
        };
        assert_eq!(errors, [0; 5], "a thread with {stack_bytes} bytes of stack");
        Self(id)
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// If that cannot be waited for.
    pub fn join(self) {
        // SAFETY: a thread of ours that nobody else waits for.
        let error = unsafe { libc::pthread_join(self.0, ptr::null_mut()) };
        assert_eq!(error, 0, "pthread_join");
    }
}

/// The lowest address of the calling thread's stack, above its guard.
///
/// # Panics
/// If the C library does not know it.
pub fn stack_low() -> usize {
    let mut attributes = std::mem::MaybeUninit::uninit();
    let (mut low, mut size) = (ptr::null_mut(), 0);
    // SAFETY: the attributes are initialized by the first call and destroyed last.
    let errors = unsafe {
        [
            libc::pthread_getattr_np(libc::pthread_self(), attributes.as_mut_ptr()),
            libc::pthread_attr_getstack(attributes.as_ptr(), &mut low, &raw mut size),
            libc::pthread_attr_destroy(attributes.as_mut_ptr()),
        ]
    };
    assert_eq!(errors, [0; 3], "pthread_getattr_np");
    low.addr()
}

/// About where the calling function's stack frame is.
#[inline(always)]
pub fn stack_pointer() -> usize {
    let here = 0_u8;
    std::hint::black_box(&raw const here).addr()
}
