//! A loaded ELF image: where its code is, what tells it from others, and what
//! the unwinder needs of it.
#![allow(clippy::disallowed_types)]

use std::ops::{Deref, Range};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use framehop::ExplicitModuleSectionInfo;
use gimli::{BaseAddresses, EhFrameHdr, LittleEndian, Pointer};

use crate::module::{Module, Segment};

pub(super) type UnwindModule = framehop::Module<Sections>;

/// A loaded image, described.
#[derive(Clone)]
pub(super) struct Loaded {
    pub(super) module: Arc<Module>,
    pub(super) unwind: Option<UnwindModule>,
}

/// Unwind sections, where the loader mapped them or as a copy.
pub(super) enum Sections {
    /// Of an image that is never unloaded.
    Mapped(&'static [u8]),
    Copied(Arc<[u8]>),
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
        let ours = list_loaded as *const () as u64;
        let libc = libc::free as *const () as u64;
        self.name.as_os_str().is_empty() || code.contains(&ours) || code.contains(&libc)
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
