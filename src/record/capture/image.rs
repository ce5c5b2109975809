//! A loaded ELF image: where its code is, what tells it from others, and what
//! the unwinder needs of it.
#![allow(clippy::disallowed_types)]

use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use gimli::{BaseAddresses, EhFrameHdr, LittleEndian, Pointer};

use super::identity::{self, Identity};
use super::sections::Sections;
use super::unwind_table::UnwindTable;
use crate::module::{Module, Segment};

/// A loaded image, described.
#[derive(Clone)]
pub(super) struct Loaded {
    pub(super) module: Arc<Module>,
    pub(super) unwind: Option<Arc<UnwindTable>>,
    pub(super) stay: Stay,
}

/// How long an image stays where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Stay {
    /// For as long as this very code can run.
    ForEver,
    /// Until it is closed, which this can tell.
    Until(Arc<Identity>),
    /// Until it is closed, which nothing tells before the next refresh.
    UntilUnknown,
}

/// Everything loaded now. What is already `known` is taken over.
pub(super) fn list_loaded(known: &[Loaded], generation: u32) -> Vec<Loaded> {
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

    identity::prepare();
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
        let stay = self.stay(&code);
        let same = |known: &&Loaded| {
            let module = &known.module;
            module.is_main_program == is_main_program
                && module.bias == self.bias
                && module.segments == segments
                && module.build_id == build_id
                && (is_main_program || module.path == self.name)
                && known.stay == stay
        };
        if let Some(known) = known.iter().find(same) {
            return Some(known.clone());
        }
        let path = if is_main_program {
            main_program_path()
        } else {
            self.name.clone()
        };
        Some(Loaded {
            unwind: self.unwind_table(&stay).map(Arc::new),
            stay,
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
        let mut notes = self.of_type(libc::PT_NOTE);
        notes
            .find_map(|header| {
                let bytes = self.bytes(header.p_vaddr, header.p_memsz)?;
                build_id_in(bytes, header.p_align)
            })
            .unwrap_or_default()
    }

    /// The unwind sections. `.eh_frame_hdr` is a segment of its own; it says where
    /// `.eh_frame` begins, and nothing says where it ends but the segment that it
    /// is in.
    fn unwind_table(&self, stay: &Stay) -> Option<UnwindTable> {
        let header = self.of_type(libc::PT_GNU_EH_FRAME).next()?;
        let index_svma = header.p_vaddr;
        let index = self.bytes(index_svma, header.p_memsz)?;
        let bases = BaseAddresses::default().set_eh_frame_hdr(index_svma);
        let parsed = EhFrameHdr::new(index, LittleEndian).parse(&bases, 8).ok()?;
        let Pointer::Direct(frames_svma) = parsed.eh_frame_ptr() else {
            return None;
        };
        let frames = self.bytes(frames_svma, u64::MAX)?;
        let sections = |bytes: &[u8]| match stay {
            Stay::UntilUnknown => Sections::Copied(Arc::from(bytes)),
            Stay::ForEver | Stay::Until(_) => {
                // SAFETY: the image is there whenever they are read: for ever, or
                // because that was found out before.
                let bytes = unsafe { std::slice::from_raw_parts(bytes.as_ptr(), bytes.len()) };
                Sections::Mapped(bytes)
            }
        };
        UnwindTable::new(
            self.bias,
            sections(index),
            index_svma,
            sections(frames),
            frames_svma,
        )
    }

    /// The main program, the C library and the image that this code is in stay
    /// for as long as this code can run.
    fn stay(&self, code: &Range<u64>) -> Stay {
        let ours = list_loaded as *const () as u64;
        let libc = libc::free as *const () as u64;
        if self.name.as_os_str().is_empty() || code.contains(&ours) || code.contains(&libc) {
            return Stay::ForEver;
        }
        let first = self.of_type(libc::PT_LOAD).next();
        first
            .and_then(|first| self.bytes(first.p_vaddr, first.p_filesz))
            .and_then(|first_bytes| Identity::of(code.start, first_bytes))
            .map_or(Stay::UntilUnknown, |identity| {
                Stay::Until(Arc::new(identity))
            })
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

/// GNU's build id, among notes of whatever kind.
pub(super) fn build_id_in(notes: &[u8], align: u64) -> Option<Vec<u8>> {
    use object::LittleEndian;
    use object::elf::{ELF_NOTE_GNU, FileHeader64, NT_GNU_BUILD_ID};
    use object::read::elf::NoteIterator;

    NoteIterator::<FileHeader64<LittleEndian>>::new(LittleEndian, align, notes)
        .ok()?
        .map_while(Result::ok)
        .find(|note| note.name() == ELF_NOTE_GNU && note.n_type(LittleEndian) == NT_GNU_BUILD_ID)
        .map(|note| note.desc().to_vec())
}
