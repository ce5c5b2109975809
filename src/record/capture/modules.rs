//! What is loaded where, for the unwinder and for the profile, and the
//! unwinder's caches.
//!
//! Captures read the current [`ModuleSet`] without waiting for anyone. A refresh
//! asks the loader what is loaded and publishes a new set if that changed. It
//! takes the loader's lock and allocates, so it never runs inside an
//! allocation: only when the program starts, when the interval is set and at
//! every snapshot.
//!
//! # Atomic orderings
//! A set is published with Release and read with Acquire. A capture reads the
//! pointer while it holds a seat of the cache pool. To free a set that was
//! replaced, the refresh takes every seat once and gives it back: whoever held
//! one has let go of the old set, and whoever takes one later pairs with that
//! release and sees the new pointer.
#![allow(clippy::disallowed_types, clippy::disallowed_macros)]

use std::ops::{Deref, Range};
use std::path::{Path, PathBuf};
use std::ptr;
use std::sync::Arc;

use framehop::{
    CacheNative, ExplicitModuleSectionInfo, MustNotAllocateDuringUnwind, Unwinder as _,
    UnwinderNative,
};
use gimli::{BaseAddresses, EhFrameHdr, LittleEndian, Pointer};

use crate::module::{Module, Segment};
use crate::record::lease::Lease;
use crate::record::sync::{AtomicPtr, AtomicUsize, Ordering};

pub(super) type Cache = CacheNative<MustNotAllocateDuringUnwind>;
type Unwinder = UnwinderNative<Sections, MustNotAllocateDuringUnwind>;
type UnwindModule = framehop::Module<Sections>;

/// Caches, 33 KB each: how many threads can unwind at the same moment.
const MAX_SEATS: usize = 32;
/// Modules that were closed and are still named in older stacks.
const MAX_CLOSED_MODULES: usize = 256;

static MODULES: Modules = Modules {
    current: AtomicPtr::new(ptr::null_mut()),
    refreshing: Lease::new(),
    pool: [const {
        Seat {
            lease: Lease::new(),
            cache: AtomicPtr::new(ptr::null_mut()),
        }
    }; MAX_SEATS],
    seats: AtomicUsize::new(0),
};

#[derive(Debug)]
struct Modules {
    /// Null until the first refresh.
    current: AtomicPtr<ModuleSet>,
    refreshing: Lease,
    /// The first `seats` have a cache.
    pool: [Seat; MAX_SEATS],
    seats: AtomicUsize,
}

#[derive(Debug)]
struct Seat {
    lease: Lease,
    cache: AtomicPtr<Cache>,
}

/// What was loaded at one time.
pub(super) struct ModuleSet {
    generation: u32,
    loaded: Vec<Loaded>,
    closed: Vec<Arc<Module>>,
    /// Executable address ranges, in order.
    code: Vec<Range<u64>>,
    unwinder: Unwinder,
    /// Sets that were replaced and may still be in use.
    replaced: *mut Self,
}

#[derive(Clone)]
struct Loaded {
    module: Arc<Module>,
    unwind: Option<UnwindModule>,
}

/// Unwind sections, where the loader mapped them or as a copy.
pub(super) enum Sections {
    /// Of a module that is never unloaded.
    Mapped(&'static [u8]),
    Copied(Arc<[u8]>),
}

impl Default for Sections {
    fn default() -> Self {
        Self::Mapped(&[])
    }
}

impl Deref for Sections {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Mapped(bytes) => bytes,
            Self::Copied(bytes) => bytes,
        }
    }
}

impl ModuleSet {
    pub(super) fn generation(&self) -> u32 {
        self.generation
    }

    pub(super) fn unwinder(&self) -> &Unwinder {
        &self.unwinder
    }

    /// The code of a known module that this address is in.
    pub(super) fn code_around(&self, address: u64) -> Option<&Range<u64>> {
        let after = self.code.partition_point(|range| range.start <= address);
        let range = self.code.get(after.checked_sub(1)?)?;
        (address < range.end).then_some(range)
    }

    fn new(
        generation: u32,
        loaded: Vec<Loaded>,
        closed: Vec<Arc<Module>>,
        replaced: *mut Self,
    ) -> Self {
        let segments = loaded.iter().flat_map(|loaded| &loaded.module.segments);
        let mut code: Vec<_> = segments
            .map(|segment| segment.start..segment.limit)
            .collect();
        code.sort_by_key(|range| range.start);
        let mut unwinder = Unwinder::new();
        for unwind in loaded.iter().filter_map(|loaded| loaded.unwind.clone()) {
            unwinder.add_module(unwind);
        }
        Self {
            generation,
            loaded,
            closed,
            code,
            unwinder,
            replaced,
        }
    }
}

/// Calls `f` with the current modules and a cache, unless there are none yet or
/// every cache is in use.
pub(super) fn with_current(process_generation: u64, f: impl FnOnce(&ModuleSet, &mut Cache)) {
    // Acquire pairs with the Release in `fill_pool`.
    let seats = MODULES.seats.load(Ordering::Acquire);
    // Threads start looking at different seats: their stacks are apart.
    let start = (ptr::from_ref(&f).addr() >> 16).wrapping_mul(7);
    for step in 0..seats {
        let at = start.wrapping_add(step).checked_rem(seats).unwrap_or(0);
        let Some(seat) = MODULES.pool.get(at) else {
            return;
        };
        let Some(_held) = seat.lease.try_take(process_generation) else {
            continue;
        };
        // Acquire pairs with the Release in `refresh`. Relaxed for the cache:
        // `seats` published it.
        let current = MODULES.current.load(Ordering::Acquire);
        let cache = seat.cache.load(Ordering::Relaxed);
        // SAFETY: null or published whole. The set is not freed while a seat is
        // held that was taken before it was replaced, and the seat's cache is
        // its holder's alone.
        if let (Some(set), Some(cache)) = unsafe { (current.as_ref(), cache.as_mut()) } {
            f(set, cache);
        }
        return;
    }
}

/// Makes sure that there are caches for `threads` threads, as far as the pool
/// goes. Allocates; the caller is busy.
pub(crate) fn fill_pool(threads: u64, process_generation: u64) {
    if MODULES.current.load(Ordering::Relaxed).is_null() {
        return;
    }
    // Relaxed: only the holder of the lease below changes it.
    while (MODULES.seats.load(Ordering::Relaxed) as u64) < threads.min(MAX_SEATS as u64) {
        let Some(_held) = MODULES.refreshing.try_take(process_generation) else {
            return;
        };
        let seats = MODULES.seats.load(Ordering::Relaxed);
        let Some(seat) = MODULES.pool.get(seats) else {
            return;
        };
        seat.cache
            .store(Box::into_raw(Box::new(Cache::new_in())), Ordering::Relaxed);
        // Release pairs with the Acquire in `with_current`.
        MODULES
            .seats
            .store(seats.saturating_add(1), Ordering::Release);
    }
}

/// Asks the loader what is loaded, publishes it for captures, and returns every
/// module that a recorded address can belong to. Takes the loader's lock and
/// allocates; the caller is busy.
pub(crate) fn refresh(process_generation: u64) -> Vec<Arc<Module>> {
    let _held = loop {
        match MODULES.refreshing.try_take(process_generation) {
            Some(held) => break held,
            None => std::thread::yield_now(),
        }
    };
    // Relaxed: only the holder of the lease changes it, and the lease pairs.
    let current = MODULES.current.load(Ordering::Relaxed);
    // SAFETY: null, or published and not replaced while the lease is held.
    let before = unsafe { current.as_ref() };
    let known = before.map_or(&[][..], |set| &set.loaded);
    let generation = before.map_or(1, |set| set.generation.saturating_add(1));
    let loaded = list_loaded(known, generation);

    let is_same = loaded.len() == known.len()
        && loaded
            .iter()
            .zip(known)
            .all(|(new, old)| Arc::ptr_eq(&new.module, &old.module));
    if before.is_none() || !is_same {
        let closed = closed_modules(before, &loaded, generation);
        let set = Box::into_raw(Box::new(ModuleSet::new(
            generation, loaded, closed, current,
        )));
        // Release pairs with the Acquire in `with_current`.
        MODULES.current.store(set, Ordering::Release);
    }
    free_replaced(process_generation);

    // SAFETY: published above or before, and not replaced while the lease is held.
    match unsafe { MODULES.current.load(Ordering::Relaxed).as_ref() } {
        Some(set) => {
            let loaded = set.loaded.iter().map(|loaded| &loaded.module);
            loaded.chain(&set.closed).map(Arc::clone).collect()
        }
        None => Vec::new(),
    }
}

/// Modules of earlier sets that are gone, the latest first.
fn closed_modules(
    before: Option<&ModuleSet>,
    loaded: &[Loaded],
    generation: u32,
) -> Vec<Arc<Module>> {
    let Some(before) = before else {
        return Vec::new();
    };
    let is_gone = |old: &&Loaded| {
        !loaded
            .iter()
            .any(|new| Arc::ptr_eq(&new.module, &old.module))
    };
    let just_closed = before.loaded.iter().filter(is_gone).map(|old| {
        Arc::new(Module {
            until_generation: generation,
            ..Module::clone(&old.module)
        })
    });
    just_closed
        .chain(before.closed.iter().map(Arc::clone))
        .take(MAX_CLOSED_MODULES)
        .collect()
}

/// Frees replaced sets if no capture can still be reading them.
fn free_replaced(process_generation: u64) {
    // SAFETY: the caller holds the lease; captures do not touch `replaced`, so
    // no reference to it is shared.
    let replaced = unsafe {
        let current = MODULES.current.load(Ordering::Relaxed);
        if current.is_null() {
            return;
        }
        &raw mut (*current).replaced
    };
    // SAFETY: as above.
    if unsafe { (*replaced).is_null() } {
        return;
    }
    let seats = MODULES
        .pool
        .iter()
        .take(MODULES.seats.load(Ordering::Relaxed));
    for seat in seats {
        if seat.lease.try_take(process_generation).is_none() {
            // In use; the next refresh tries again.
            return;
        }
    }
    // SAFETY: every seat was free after the new set was published, so nobody
    // reads the old ones, and they were boxed by `refresh`.
    unsafe {
        let mut at = replaced.replace(ptr::null_mut());
        while !at.is_null() {
            let set = Box::from_raw(at);
            at = set.replaced;
        }
    }
}

/// Everything loaded now. What is already `known` is taken over.
fn list_loaded(known: &[Loaded], generation: u32) -> Vec<Loaded> {
    struct Listing<'a> {
        known: &'a [Loaded],
        generation: u32,
        loaded: Vec<Loaded>,
    }

    unsafe extern "C" fn visit(
        info: *mut libc::dl_phdr_info,
        _size: usize,
        listing: *mut libc::c_void,
    ) -> i32 {
        // SAFETY: the loader passes a valid description and our own pointer back.
        unsafe {
            let listing = &mut *listing.cast::<Listing<'_>>();
            let image = Image::of(&*info);
            listing
                .loaded
                .extend(image.describe(listing.known, listing.generation));
        }
        0
    }

    let mut listing = Listing {
        known,
        generation,
        loaded: Vec::new(),
    };
    // SAFETY: the callback matches its argument.
    unsafe { libc::dl_iterate_phdr(Some(visit), (&raw mut listing).cast()) };
    listing.loaded
}

/// A loaded ELF image, while the loader's lock keeps it in place.
struct Image<'a> {
    name: PathBuf,
    bias: u64,
    headers: &'a [libc::Elf64_Phdr],
}

impl<'a> Image<'a> {
    /// # Safety
    /// `info` must come from `dl_iterate_phdr`, inside its callback.
    unsafe fn of(info: &'a libc::dl_phdr_info) -> Self {
        use std::os::unix::ffi::OsStrExt;
        // SAFETY: the loader's own strings and headers; either may be missing.
        let (name, headers) = unsafe {
            let name = if info.dlpi_name.is_null() {
                c""
            } else {
                std::ffi::CStr::from_ptr(info.dlpi_name)
            };
            let headers = if info.dlpi_phdr.is_null() {
                &[][..]
            } else {
                std::slice::from_raw_parts(info.dlpi_phdr, usize::from(info.dlpi_phnum))
            };
            (name, headers)
        };
        let name = PathBuf::from(std::ffi::OsStr::from_bytes(name.to_bytes()));
        Self {
            name,
            bias: info.dlpi_addr,
            headers,
        }
    }

    fn describe(&self, known: &[Loaded], generation: u32) -> Option<Loaded> {
        let is_main_program = self.name.as_os_str().is_empty();
        let segments = self.code_segments();
        let (first, last) = (segments.first()?, segments.last()?);
        let code = first.start..last.limit;
        let build_id = self.build_id();
        let same = |module: &Module| {
            module.is_main_program == is_main_program
                && module.bias == self.bias
                && module.segments == segments
                && module.build_id == build_id
                && (is_main_program || module.path == self.name)
        };
        if let Some(known) = known.iter().find(|known| same(&known.module)) {
            return Some(known.clone());
        }
        let path = if is_main_program {
            main_program_path()
        } else {
            self.name.clone()
        };
        Some(Loaded {
            unwind: self.unwind_module(&path, code),
            module: Arc::new(Module {
                path,
                is_main_program,
                bias: self.bias,
                segments,
                build_id,
                since_generation: generation,
                until_generation: u32::MAX,
            }),
        })
    }

    fn of_type(&self, kind: u32) -> impl Iterator<Item = &libc::Elf64_Phdr> {
        self.headers
            .iter()
            .filter(move |header| header.p_type == kind)
    }

    /// Executable segments as the loader maps them, in whole pages.
    fn code_segments(&self) -> Vec<Segment> {
        // SAFETY: asks for a number.
        let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
        let in_page = u64::try_from(page).unwrap_or(4096).wrapping_sub(1);
        let code = self
            .of_type(libc::PT_LOAD)
            .filter(|header| header.p_flags & libc::PF_X != 0);
        let mut segments: Vec<_> = code
            .map(|header| {
                let start = self.bias.wrapping_add(header.p_vaddr);
                Segment {
                    start: start & !in_page,
                    limit: start.wrapping_add(header.p_memsz).wrapping_add(in_page) & !in_page,
                    file_offset: header.p_offset & !in_page,
                }
            })
            .collect();
        segments.sort_by_key(|segment| segment.start);
        segments
    }

    /// Bytes of the image at its own address `svma`, up to `len` of them, within
    /// one readable segment.
    fn bytes(&self, svma: u64, len: u64) -> Option<&'a [u8]> {
        let segment = self.of_type(libc::PT_LOAD).find(|header| {
            header.p_flags & libc::PF_R != 0
                && (header.p_vaddr..header.p_vaddr.wrapping_add(header.p_filesz)).contains(&svma)
        })?;
        let room = segment
            .p_vaddr
            .wrapping_add(segment.p_filesz)
            .wrapping_sub(svma);
        let start = self.bias.wrapping_add(svma) as *const u8;
        // SAFETY: inside a readable segment of an image that the loader keeps in place.
        Some(unsafe { std::slice::from_raw_parts(start, len.min(room) as usize) })
    }

    fn build_id(&self) -> Vec<u8> {
        let notes = self.of_type(libc::PT_NOTE).filter_map(|header| {
            let bytes = self.bytes(header.p_vaddr, header.p_memsz)?;
            object::read::elf::NoteIterator::<object::elf::FileHeader64<object::LittleEndian>>::new(
                object::LittleEndian,
                header.p_align,
                bytes,
            )
            .ok()
        });
        let is_build_id = |note: &object::read::elf::Note<
            '_,
            object::elf::FileHeader64<object::LittleEndian>,
        >| {
            note.name() == object::elf::ELF_NOTE_GNU
                && note.n_type(object::LittleEndian) == object::elf::NT_GNU_BUILD_ID
        };
        notes
            .flat_map(|notes| notes.map_while(Result::ok))
            .find(is_build_id)
            .map_or_else(Vec::new, |note| note.desc().to_vec())
    }

    /// The unwind sections for framehop. `.eh_frame_hdr` is a segment of its own;
    /// it says where `.eh_frame` begins, and nothing says where it ends but the
    /// segment that it is in.
    fn unwind_module(&self, path: &Path, code: Range<u64>) -> Option<UnwindModule> {
        let header = self.of_type(libc::PT_GNU_EH_FRAME).next()?;
        let index_svma = header.p_vaddr;
        let index = self.bytes(index_svma, header.p_memsz)?;
        let bases = BaseAddresses::default().set_eh_frame_hdr(index_svma);
        let parsed = EhFrameHdr::new(index, LittleEndian).parse(&bases, 8).ok()?;
        let Pointer::Direct(frames_svma) = parsed.eh_frame_ptr() else {
            return None;
        };
        let frames = self.bytes(frames_svma, u64::MAX)?;
        let stays = self.is_never_unloaded(&code);
        let sections = ExplicitModuleSectionInfo {
            base_svma: 0,
            eh_frame_svma: Some(frames_svma..frames_svma.saturating_add(frames.len() as u64)),
            eh_frame: Some(Sections::of(frames, stays)),
            eh_frame_hdr_svma: Some(index_svma..index_svma.saturating_add(index.len() as u64)),
            eh_frame_hdr: Some(Sections::of(index, stays)),
            ..Default::default()
        };
        Some(UnwindModule::new(
            path.to_string_lossy().into_owned(),
            code,
            self.bias,
            sections,
        ))
    }

    /// The main program, the C library and the image that this code is in stay
    /// for as long as this code can run.
    fn is_never_unloaded(&self, code: &Range<u64>) -> bool {
        let ours = refresh as *const () as u64;
        let libc = libc::free as *const () as u64;
        self.name.as_os_str().is_empty() || code.contains(&ours) || code.contains(&libc)
    }
}

impl Sections {
    fn of(bytes: &[u8], stays: bool) -> Self {
        if stays {
            // SAFETY: the image is never unloaded, so its sections last as long
            // as the process.
            Self::Mapped(unsafe { std::slice::from_raw_parts(bytes.as_ptr(), bytes.len()) })
        } else {
            Self::Copied(Arc::from(bytes))
        }
    }
}

/// The kernel knows the main program's file, and says so when it was deleted.
fn main_program_path() -> PathBuf {
    use std::os::unix::ffi::{OsStrExt, OsStringExt};
    let path = std::fs::read_link("/proc/self/exe").unwrap_or_default();
    match path.as_os_str().as_bytes().strip_suffix(b" (deleted)") {
        Some(path) => PathBuf::from(std::ffi::OsString::from_vec(path.to_vec())),
        None => path,
    }
}
