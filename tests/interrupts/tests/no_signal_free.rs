//! A program that uses every real-time signal keeps them all.

#![cfg(target_os = "linux")]

use heapprof_interrupts::profile;

#[global_allocator]
static ALLOC: heapprof::Alloc = heapprof::Alloc::system();

extern "C" fn of_the_program(_: libc::c_int) {}

#[test]
fn no_signal_is_taken_from_the_program() {
    let own = of_the_program as *const () as libc::sighandler_t;
    let signals = libc::SIGRTMIN()..=libc::SIGRTMAX();
    for signal in signals.clone() {
        // SAFETY: the handler does nothing.
        unsafe { libc::signal(signal, own) };
    }
    let (threads, _) = profile("goroutine");
    let note = "[no stack: the program handles every real-time signal]";
    for sample in threads.all() {
        assert_eq!(sample.stack.len(), 1);
        assert_eq!(sample.stack[0].name, note);
    }
    for signal in signals {
        // SAFETY: as above.
        assert_eq!(unsafe { libc::signal(signal, own) }, own);
    }
}
