#![forbid(unsafe_code)]
//! gzip without compression: nothing to compute but a check sum, no memory but
//! one buffer that is there beforehand.

use std::io::{self, Write};

/// RFC 1952: deflate, no flags, no time, an unknown system.
const HEADER: [u8; 10] = [0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 0xFF];
/// RFC 1951: kind and length of a block that is stored as it is.
const BLOCK_HEADER: usize = 5;
const BLOCK_BYTES: usize = u16::MAX as usize;

/// Room for one block and what is around it. Its pages have been written to:
/// writing to them again takes no new ones.
#[derive(Debug)]
pub(crate) struct Room(Vec<u8>);

impl Room {
    pub(crate) fn new() -> Self {
        Self(vec![0xFF; HEADER.len() + BLOCK_HEADER + BLOCK_BYTES])
    }
}

/// Writes what it is given, as gzip. Nothing is complete before [`finish`](Self::finish).
#[derive(Debug)]
pub(crate) struct Stored<'a, W> {
    to: W,
    room: &'a mut [u8],
    /// Bytes of the block that is being filled.
    len: usize,
    /// Where its header begins.
    start: usize,
    sum: flate2::Crc,
}

impl<'a, W: Write> Stored<'a, W> {
    pub(crate) fn new(to: W, room: &'a mut Room) -> Self {
        room.0[..HEADER.len()].copy_from_slice(&HEADER);
        Self {
            to,
            room: &mut room.0,
            len: 0,
            start: HEADER.len(),
            sum: flate2::Crc::new(),
        }
    }

    pub(crate) fn finish(mut self) -> io::Result<()> {
        self.write_block(true)?;
        let (sum, len) = (self.sum.sum(), self.sum.amount());
        self.to.write_all(&sum.to_le_bytes())?;
        self.to.write_all(&len.to_le_bytes())
    }

    fn write_block(&mut self, is_last: bool) -> io::Result<()> {
        let (header, rest) = self.room[self.start..].split_at_mut(BLOCK_HEADER);
        let bytes = &rest[..self.len];
        let len = self.len as u16;
        header[0] = is_last.into();
        header[1..3].copy_from_slice(&len.to_le_bytes());
        header[3..].copy_from_slice(&(!len).to_le_bytes());
        self.sum.update(bytes);
        // The first block has the file's header before it.
        let from = if self.start == HEADER.len() {
            0
        } else {
            self.start
        };
        let to = self.start + BLOCK_HEADER + self.len;
        self.to.write_all(&self.room[from..to])?;
        (self.start, self.len) = (0, 0);
        Ok(())
    }
}

impl<W: Write> Write for Stored<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.len == BLOCK_BYTES {
            self.write_block(false)?;
        }
        let at = self.start + BLOCK_HEADER + self.len;
        let taken = bytes.len().min(BLOCK_BYTES - self.len);
        self.room[at..at + taken].copy_from_slice(&bytes[..taken]);
        self.len += taken;
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn gzip_gives_back_what_was_stored() {
        let mut room = Room::new();
        for len in [0, 1, BLOCK_BYTES - 1, BLOCK_BYTES, BLOCK_BYTES + 1, 300_000] {
            let bytes: Vec<u8> = (0..len).map(|n| (n * 31 % 251) as u8).collect();
            let mut gzip = Vec::new();
            let mut stored = Stored::new(&mut gzip, &mut room);
            for part in bytes.chunks(997) {
                stored.write_all(part).unwrap();
            }
            stored.finish().unwrap();
            let mut read = Vec::new();
            flate2::read::GzDecoder::new(&gzip[..])
                .read_to_end(&mut read)
                .unwrap();
            assert!(read == bytes, "{len} bytes");
        }
    }
}
