//! What the calling thread is called, found without allocating.

/// As many bytes as a name has on any system, and a NUL.
const BUFFER_BYTES: usize = 64;

/// Calls `f` with the name: no bytes if it has none, or the system does not tell.
pub(crate) fn with_thread_name<R>(f: impl FnOnce(&[u8]) -> R) -> R {
    let mut buffer = [0_u8; BUFFER_BYTES];
    read(&mut buffer);
    let name = buffer.split(|&byte| byte == 0).next();
    f(name.unwrap_or_default())
}

/// Linux keeps 15 bytes of a name. The main thread's is that of the program.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn read(buffer: &mut [u8; BUFFER_BYTES]) {
    // SAFETY: writes 16 bytes at most, the last one a NUL; if it fails, none.
    unsafe { libc::prctl(libc::PR_GET_NAME, buffer.as_mut_ptr()) };
}

#[cfg(target_vendor = "apple")]
fn read(buffer: &mut [u8; BUFFER_BYTES]) {
    // SAFETY: writes at most so many bytes, the last one a NUL.
    unsafe {
        libc::pthread_getname_np(
            libc::pthread_self(),
            buffer.as_mut_ptr().cast(),
            BUFFER_BYTES,
        )
    };
}

#[cfg(not(any(target_os = "linux", target_os = "android", target_vendor = "apple")))]
fn read(_buffer: &mut [u8; BUFFER_BYTES]) {}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_thread_is_called_what_it_was_named() {
        let builder = std::thread::Builder::new().name("worker-7, of a pool of many".into());
        let name = builder.spawn(|| with_thread_name(<[u8]>::to_vec)).unwrap();
        assert_eq!(name.join().unwrap(), b"worker-7, of a ");
    }
}
