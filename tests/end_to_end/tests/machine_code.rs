//! The promise that an unsampled allocation costs next to nothing, held against
//! the machine code of a release build over mimalloc.

#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

use std::collections::HashMap;
use std::process::Command;

/// Instructions from the entry into the inner allocator, its tail jump included.
const MAX_ALLOC: usize = 4;
const MAX_DEALLOC: usize = 7;

/// One instruction as objdump prints it.
#[derive(Debug)]
struct Instruction {
    address: u64,
    mnemonic: String,
    /// The whole line, for the reader of a failure.
    text: String,
    /// Where a jump or call goes to, as an address and as `<symbol+offset>`.
    /// The address is 0 when it goes through the global offset table.
    target: Option<(u64, String)>,
}

#[test]
#[cfg_attr(
    debug_assertions,
    ignore = "looks at a release build: cargo test --release"
)]
fn an_unsampled_allocation_runs_a_handful_of_instructions() {
    let program = env!("CARGO_BIN_EXE_fast_path");
    let disassembly = objdump(&[
        "--disassemble",
        "--no-show-raw-insn",
        "-M",
        "intel",
        program,
    ]);
    let pointers = Pointers::read(&objdump(&["--dynamic-reloc", program]), &disassembly);
    for (symbol, limit) in [("__rust_alloc", MAX_ALLOC), ("__rust_dealloc", MAX_DEALLOC)] {
        let text = function(&disassembly, symbol);
        let code = parse(&text, &pointers);
        let path = unsampled_path(&code)
            .unwrap_or_else(|| panic!("{symbol} never reaches mimalloc:\n{text}"));
        let listing: Vec<&str> = path
            .iter()
            .map(|instruction| instruction.text.as_str())
            .collect();
        let listing = listing.join("\n");
        println!(
            "{symbol}, nothing sampled: {} instructions\n{listing}",
            path.len()
        );
        assert!(
            path.len() <= limit,
            "{symbol} runs {} instructions where nothing is sampled, at most {limit} are \
             allowed:\n{listing}\n\nall of it:\n{text}",
            path.len()
        );
    }
}

fn objdump(args: &[&str]) -> String {
    let output = Command::new("objdump")
        .args(args)
        .output()
        .expect("objdump is installed by `cargo xtask test`");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).expect("objdump prints text")
}

/// The functions that jumps through the global offset table lead to, by the
/// address of the table's entry.
struct Pointers(HashMap<u64, String>);

impl Pointers {
    fn read(relocations: &str, disassembly: &str) -> Self {
        // `0000000000035120 <mi_malloc_aligned>:`
        let header = |line: &str| {
            let (address, symbol) = line.strip_suffix(':')?.split_once(' ')?;
            Some((hexadecimal(address)?, symbol.to_owned()))
        };
        let functions: HashMap<u64, String> = disassembly.lines().filter_map(header).collect();
        // `0000000000092d48 R_X86_64_RELATIVE  *ABS*+0x0000000000035120`
        let relocation = |line: &str| {
            let (entry, target) = line.split_once(" R_X86_64_RELATIVE")?;
            let target = hexadecimal(target.split_once("+0x")?.1)?;
            Some((hexadecimal(entry)?, functions.get(&target)?.clone()))
        };
        Self(relocations.lines().filter_map(relocation).collect())
    }
}

fn hexadecimal(text: &str) -> Option<u64> {
    u64::from_str_radix(text, 16).ok()
}

/// The lines of one of the compiler's allocation functions, whose names are
/// mangled like `_RNvCs..._7___rustc12___rust_alloc`.
fn function(disassembly: &str, symbol: &str) -> String {
    let end_of_header = format!("{symbol}>:");
    let mut blocks = disassembly.split("\n\n").map(str::trim_start);
    let is_it = |block: &&str| {
        block
            .lines()
            .next()
            .is_some_and(|line| line.ends_with(&end_of_header))
    };
    blocks
        .find(is_it)
        .unwrap_or_else(|| panic!("no function is named {symbol}"))
        .to_owned()
}

/// Reads lines like `js     1290 <name+0x10>` and `jmp    QWORD PTR
/// [rip+0x72294]        # 92d48 <_DYNAMIC+0x260>`, behind an address, a colon
/// and a tab.
fn parse(text: &str, pointers: &Pointers) -> Vec<Instruction> {
    let instruction = |line: &str| {
        let (address, code) = line.split_once(":\t")?;
        let (mnemonic, operands) = code.split_once(' ').unwrap_or((code, ""));
        let target = match operands.split_once("# ") {
            Some((_, entry)) => hexadecimal(entry.split_once(' ')?.0)
                .and_then(|entry| Some((0, pointers.0.get(&entry)?.clone()))),
            None => operands
                .trim()
                .split_once(' ')
                .and_then(|(address, symbol)| Some((hexadecimal(address)?, symbol.to_owned()))),
        };
        let address = hexadecimal(address.trim())?;
        let mnemonic = mnemonic.trim().to_owned();
        Some(Instruction {
            address,
            mnemonic,
            text: line.trim().to_owned(),
            target,
        })
    };
    text.lines().skip(1).filter_map(instruction).collect()
}

/// The instructions from the function's entry into mimalloc. Every conditional
/// branch may go either way, falling through first; what ends anywhere else
/// than in mimalloc is the sampled path.
fn unsampled_path(code: &[Instruction]) -> Option<Vec<&Instruction>> {
    fn walk<'a>(
        code: &'a [Instruction],
        from: usize,
        mut called_mimalloc: bool,
        mut path: Vec<&'a Instruction>,
    ) -> Option<Vec<&'a Instruction>> {
        for (index, instruction) in code.iter().enumerate().skip(from) {
            if path.iter().any(|seen| seen.address == instruction.address) {
                return None;
            }
            path.push(instruction);
            let is_jump = instruction.mnemonic.starts_with('j');
            let follow = |path: Vec<&'a Instruction>| {
                let (address, symbol) = instruction.target.as_ref()?;
                if is_mimalloc(symbol) {
                    return Some(path);
                }
                let next = code.iter().position(|other| other.address == *address)?;
                walk(code, next, called_mimalloc, path)
            };
            match instruction.mnemonic.as_str() {
                "jmp" => return follow(path),
                _ if is_jump => {
                    let fall_through = walk(code, index + 1, called_mimalloc, path.clone());
                    return fall_through.or_else(|| follow(path));
                }
                "call"
                    if instruction
                        .target
                        .as_ref()
                        .is_some_and(|(_, name)| is_mimalloc(name)) =>
                {
                    called_mimalloc = true;
                }
                "call" => return None,
                "ret" => return called_mimalloc.then_some(path),
                _ => {}
            }
        }
        None
    }
    walk(code, 0, false, Vec::new())
}

fn is_mimalloc(symbol: &str) -> bool {
    symbol.trim_start_matches(['<', '_']).starts_with("mi_")
}

#[test]
fn a_path_is_counted_from_the_entry_to_the_inner_allocator() {
    let pointers = Pointers::read(
        "0000000000092d48 R_X86_64_RELATIVE  *ABS*+0x0000000000003000\n",
        "0000000000003000 <mi_malloc_aligned>:\n",
    );
    let code = parse(
        "0000000000001000 <x7___rustc12___rust_alloc>:\n\
         \x20   1000:\tsub    QWORD PTR fs:0xfffffffffffffff8,rdi\n\
         \x20   1008:\tjns    1010 <x7___rustc12___rust_alloc+0x10>\n\
         \x20   100a:\tjmp    2000 <_ZN8heapprof10alloc_slow17h0E>\n\
         \x20   1010:\tjmp    QWORD PTR [rip+0x72294]        # 92d48 <_DYNAMIC+0x260>\n\
         \x20   1015:\tint3\n",
        &pointers,
    );
    let path = unsampled_path(&code).expect("there is a way into mimalloc");
    assert_eq!(
        path.iter().map(|i| i.mnemonic.as_str()).collect::<Vec<_>>(),
        ["sub", "jns", "jmp"]
    );
    assert!(
        unsampled_path(&code[..3]).is_none(),
        "the sampled path does not count"
    );
}
