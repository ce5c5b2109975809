//! Threads whose stacks are smaller than the standard library's may be, and which
//! have none for signals.

use std::ffi::c_void;
use std::ptr;

/// Runs one function on a stack of a chosen size.
#[derive(Debug)]
pub struct Thread(libc::pthread_t);

impl Thread {
    /// Starts it.
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
                libc::pthread_create(&raw mut id, attributes.as_ptr(), body, ptr::null_mut()),
                libc::pthread_attr_destroy(attributes.as_mut_ptr()),
            ]
        };
        assert_eq!(errors, [0; 4], "a thread with {stack_bytes} bytes of stack");
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
