//! The algorithms, on whole bodies in memory.

use std::io::{self, Read, Write};

use brotli::enc::{BrotliEncoderParams, StandardAlloc};
use brotli::{BrotliDecompressStream, BrotliResult, BrotliState};
use flate2::bufread::MultiGzDecoder;
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
use flate2::{Compression, Decompress, FlushDecompress, Status};

use super::{Coding, Room, Undecodable};

/// The largest window of a `zstd` body, as a power of two: 8 MiB ([RFC 9659]).
const ZSTD_WINDOW: u32 = 23;

/// Levels at which an edited body costs about as much as the rest of its transaction.
const ZSTD_LEVEL: i32 = 3;
const BROTLI_QUALITY: i32 = 4;

/// How much of a text is decoded at first, in bytes.
const FIRST: usize = 4 * 1024;

/// Undoes one coding. All of `encoded` belongs to it. The text's capacity is what was taken of the
/// `room`.
pub(super) fn decode(
    coding: Coding,
    encoded: &[u8],
    most: usize,
    room: &mut impl Room,
) -> Result<Vec<u8>, Undecodable> {
    match coding {
        // Some servers write several members one after the other, as RFC 1952 §2.2 allows.
        Coding::Gzip => drain(MultiGzDecoder::new(encoded), most, room),
        Coding::Zlib => drain(Inflate::new(encoded, true), most, room),
        Coding::RawDeflate => drain(Inflate::new(encoded, false), most, room),
        Coding::Brotli => drain(Brotli::new(encoded), most, room),
        Coding::Zstd => {
            let mut decoder = zstd::stream::read::Decoder::with_buffer(encoded)
                .map_err(|_| Undecodable::Malformed)?;
            decoder
                .window_log_max(ZSTD_WINDOW)
                .map_err(|_| Undecodable::Malformed)?;
            drain(decoder, most, room)
        }
    }
}

/// Applies one coding.
pub(super) fn encode(coding: Coding, text: &[u8]) -> Vec<u8> {
    let level = Compression::default();
    let encoded = match coding {
        Coding::Gzip => {
            let mut encoder = GzEncoder::new(Vec::new(), level);
            encoder.write_all(text).and_then(|()| encoder.finish())
        }
        Coding::Zlib => {
            let mut encoder = ZlibEncoder::new(Vec::new(), level);
            encoder.write_all(text).and_then(|()| encoder.finish())
        }
        Coding::RawDeflate => {
            let mut encoder = DeflateEncoder::new(Vec::new(), level);
            encoder.write_all(text).and_then(|()| encoder.finish())
        }
        Coding::Brotli => {
            let parameters = BrotliEncoderParams {
                quality: BROTLI_QUALITY,
                size_hint: text.len(),
                ..BrotliEncoderParams::default()
            };
            let mut encoded = Vec::new();
            brotli::BrotliCompress(&mut &text[..], &mut encoded, &parameters).map(|_| encoded)
        }
        Coding::Zstd => zstd::bulk::compress(text, ZSTD_LEVEL),
    };
    encoded.expect("memory takes all that is written to it")
}

/// Whether data that are called `deflate` have zlib's frame: it begins with the number of
/// its method, 8. Without the frame that would be a stored block with padding that isn't
/// zero, which nobody writes.
pub(super) fn has_zlib_header(encoded: &[u8]) -> bool {
    encoded.first().is_some_and(|byte| byte & 0x0f == 8)
}

/// Reads a text of at most `most` bytes. Room for more of it is taken before it grows; what was
/// taken for a text that can't be had is given back.
fn drain(
    mut decoder: impl Read,
    most: usize,
    room: &mut impl Room,
) -> Result<Vec<u8>, Undecodable> {
    let mut text = Vec::new();
    let drained = fill(&mut decoder, &mut text, most, room);
    if drained.is_err() {
        room.give_back(text.capacity());
    }
    drained.map(|()| text)
}

fn fill(
    decoder: &mut impl Read,
    text: &mut Vec<u8>,
    most: usize,
    room: &mut impl Room,
) -> Result<(), Undecodable> {
    let mut length = 0;
    loop {
        if length > most {
            return Err(Undecodable::TooLarge);
        }
        if length == text.len() {
            lengthen(text, most + 1, room)?;
        }
        match decoder.read(&mut text[length..]) {
            Ok(0) => break,
            Ok(read) => length += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return Err(Undecodable::Malformed),
        }
    }
    text.truncate(length);
    Ok(())
}

/// Makes a text twice as long, filled with zeros, and no longer than `longest`.
fn lengthen(text: &mut Vec<u8>, longest: usize, room: &mut impl Room) -> Result<(), Undecodable> {
    let had = text.capacity();
    let wanted = (2 * had).max(FIRST).min(longest);
    if !room.take(wanted) {
        return Err(Undecodable::NoRoom);
    }
    text.reserve_exact(wanted - text.len());
    text.resize(wanted, 0);
    room.give_back(had);
    Ok(())
}

/// Deflated data. The crate's own readers take a cut for an end.
struct Inflate<'a> {
    encoded: &'a [u8],
    state: Decompress,
}

impl<'a> Inflate<'a> {
    fn new(encoded: &'a [u8], has_zlib_header: bool) -> Self {
        Self {
            encoded,
            state: Decompress::new(has_zlib_header),
        }
    }
}

impl Read for Inflate<'_> {
    fn read(&mut self, text: &mut [u8]) -> io::Result<usize> {
        let before = (self.state.total_in(), self.state.total_out());
        let status = self
            .state
            .decompress(self.encoded, text, FlushDecompress::None)?;
        let read = size(self.state.total_in() - before.0);
        let written = size(self.state.total_out() - before.1);
        self.encoded = &self.encoded[read..];
        match status {
            Status::StreamEnd if !self.encoded.is_empty() => Err(junk()),
            Status::Ok | Status::BufError if written == 0 => Err(cut()),
            Status::StreamEnd | Status::Ok | Status::BufError => Ok(written),
        }
    }
}

fn size(count: u64) -> usize {
    usize::try_from(count).expect("no more than a slice holds")
}

/// Data in the `br` coding. The crate's own reader doesn't tell what is behind their end.
struct Brotli<'a> {
    encoded: &'a [u8],
    state: Box<BrotliState<StandardAlloc, StandardAlloc, StandardAlloc>>,
}

impl<'a> Brotli<'a> {
    fn new(encoded: &'a [u8]) -> Self {
        let allocator = StandardAlloc::default;
        Self {
            encoded,
            state: Box::new(BrotliState::new(allocator(), allocator(), allocator())),
        }
    }
}

impl Read for Brotli<'_> {
    fn read(&mut self, text: &mut [u8]) -> io::Result<usize> {
        let (mut unread, mut room) = (self.encoded.len(), text.len());
        let (mut read, mut written, mut total) = (0, 0, 0);
        let result = BrotliDecompressStream(
            &mut unread,
            &mut read,
            self.encoded,
            &mut room,
            &mut written,
            text,
            &mut total,
            &mut self.state,
        );
        self.encoded = &self.encoded[read..];
        match result {
            BrotliResult::ResultSuccess if !self.encoded.is_empty() => Err(junk()),
            BrotliResult::ResultSuccess | BrotliResult::NeedsMoreOutput => Ok(written),
            BrotliResult::NeedsMoreInput => Err(cut()),
            BrotliResult::ResultFailure => Err(io::ErrorKind::InvalidData.into()),
        }
    }
}

fn cut() -> io::Error {
    io::ErrorKind::UnexpectedEof.into()
}

fn junk() -> io::Error {
    io::ErrorKind::InvalidData.into()
}
