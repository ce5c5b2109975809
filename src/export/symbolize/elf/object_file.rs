//! Finding the files that tell about a module, and proof that they are its own.

use std::ffi::{CStr, OsStr};
use std::fs::{self, File};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use memmap2::Mmap;
use object::read::elf::ElfFile64;
use object::{LittleEndian, Object};

use crate::module::Module;

/// A parsed file. All supported targets are 64-bit and little-endian.
pub(super) type Elf<'data> = ElfFile64<'data, LittleEndian>;

/// A mapped file.
#[derive(Debug)]
pub(super) struct ObjectFile {
    bytes: Mmap,
}

impl ObjectFile {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        // Opening a fifo would wait for a writer.
        if !fs::metadata(path)?.is_file() {
            return Err(io::Error::other("not a regular file"));
        }
        let file = File::open(path)?;
        // SAFETY: the bytes are only read, as input that is not trusted. Whoever
        // truncates an object file that is in use (instead of replacing it, as
        // linkers and package managers do) breaks the running program itself.
        let bytes = unsafe { Mmap::map(&file) }?;
        Ok(Self { bytes })
    }

    pub(super) fn elf(&self) -> Option<Elf<'_>> {
        Elf::parse(&*self.bytes).ok()
    }
}

/// The files of a module.
#[derive(Debug)]
pub(super) struct Files {
    /// What the loader has mapped. Its symbol table, at least the dynamic one, is here.
    pub(super) loaded: Option<ObjectFile>,
    /// Debug information kept apart, if it is not in `loaded`.
    pub(super) debug: Option<ObjectFile>,
}

/// Opens the files of a module; an error says in plain words why there are none.
pub(super) fn find(module: &Module) -> Result<Files, Option<String>> {
    let loaded = open_loaded(module);
    let has_debug_info = loaded
        .as_ref()
        .ok()
        .and_then(ObjectFile::elf)
        .is_some_and(|elf| elf.section_by_name(".debug_info").is_some());
    let debug = if has_debug_info {
        None
    } else {
        open_debug(module, loaded.as_ref().ok())
    };

    match loaded {
        Ok(loaded) => Ok(Files {
            loaded: Some(loaded),
            debug,
        }),
        Err(_) if debug.is_some() => Ok(Files {
            loaded: None,
            debug,
        }),
        Err(problem) if module.is_main_program && module.path.as_os_str().is_empty() => {
            Err(Some(format!("the program itself: {problem}")))
        }
        // What the kernel provides has no file.
        Err(_) if !module.path.is_absolute() => Err(None),
        Err(problem) => Err(Some(format!("{}: {problem}", module.path.display()))),
    }
}

fn open_loaded(module: &Module) -> Result<ObjectFile, String> {
    if !module.is_main_program {
        return open_own(&module.path, module);
    }
    // Where there is no `/proc`, the path that the program was started by may do.
    open_own(Path::new("/proc/self/exe"), module)
        .or_else(|problem| open_own(&started_by().ok_or(problem)?, module))
}

/// The file at `path`, if it is the one that was loaded.
fn open_own(path: &Path, module: &Module) -> Result<ObjectFile, String> {
    let file = ObjectFile::open(path).map_err(|error| format!("cannot be read: {error}"))?;
    let elf = file
        .elf()
        .ok_or("no ELF file of this architecture any more")?;
    if build_id(&elf) != module.build_id {
        return Err("replaced since it was loaded (another build id)".to_owned());
    }
    drop(elf);
    Ok(file)
}

/// The path that the kernel was given, perhaps relative to a folder that the
/// program has left since.
fn started_by() -> Option<PathBuf> {
    // SAFETY: asks for a number.
    let path = unsafe { libc::getauxval(libc::AT_EXECFN) } as *const libc::c_char;
    // SAFETY: null, or a string that the kernel left for the process's whole life.
    let path = unsafe { path.as_ref().map(|path| CStr::from_ptr(path)) }?;
    Some(PathBuf::from(OsStr::from_bytes(path.to_bytes())))
}

pub(super) fn build_id<'data>(elf: &Elf<'data>) -> &'data [u8] {
    elf.build_id().ok().flatten().unwrap_or_default()
}

/// Looks where gdb looks: by build id, then by the name in `.gnu_debuglink`.
fn open_debug(module: &Module, loaded: Option<&ObjectFile>) -> Option<ObjectFile> {
    if let Some((first, rest)) = module.build_id.split_first() {
        let path = format!("/usr/lib/debug/.build-id/{first:02x}/{}.debug", hex(rest));
        if let Some(file) = open_matching(Path::new(&path), module, None) {
            return Some(file);
        }
    }

    let elf = loaded?.elf()?;
    let (name, crc) = elf.gnu_debuglink().ok().flatten()?;
    // A name only: it must not lead elsewhere.
    let name = Path::new(OsStr::from_bytes(name)).file_name()?;
    let folder = module.path.parent()?;
    let in_debug_root = folder
        .strip_prefix("/")
        .ok()
        .map(|f| Path::new("/usr/lib/debug").join(f));
    let folders = [
        Some(folder.to_path_buf()),
        Some(folder.join(".debug")),
        in_debug_root,
    ];
    folders
        .into_iter()
        .flatten()
        .map(|folder: PathBuf| folder.join(name))
        .filter(|path| *path != module.path)
        .find_map(|path| open_matching(&path, module, Some(crc)))
}

/// The debug file at `path`, if it is this module's: by build id, or by check
/// sum where there is none.
fn open_matching(path: &Path, module: &Module, crc: Option<u32>) -> Option<ObjectFile> {
    let file = ObjectFile::open(path).ok()?;
    let elf = file.elf()?;
    let matches = if module.build_id.is_empty() {
        crc == Some(crc32(&file.bytes))
    } else {
        build_id(&elf) == module.build_id
    };
    drop(elf);
    matches.then_some(file)
}

fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(bytes);
    crc.sum()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
