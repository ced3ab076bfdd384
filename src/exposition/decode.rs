//! Content-Encoding: what stands between the wire and an exposition, under a cap of decoded bytes.

use flate2::{Decompress, FlushDecompress, Status};

/// What to send as `Accept-Encoding` when compression is wanted.
pub const ACCEPT_ENCODING: &str = "gzip";

/// How a body is packed.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Encoding {
    /// Not at all.
    Identity,
    /// gzip, in one member or several.
    Gzip,
}

/// Why a body cannot be unpacked.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// An encoding that was not asked for.
    #[error("unknown Content-Encoding {0:?}: only gzip and identity are read")]
    UnknownEncoding(String),
    /// More bytes than the cap, after unpacking.
    #[error("the body has more than {0} bytes")]
    TooLarge(usize),
    /// No gzip, or one cut short.
    #[error("the gzip body is corrupt or truncated")]
    Gzip(#[source] std::io::Error),
}

impl Encoding {
    /// Reads a Content-Encoding header. A word that is no coding at all (`none`, `utf-8`) is a mistake of the server, whose
    /// body is read as it is.
    ///
    /// # Errors
    /// `UnknownEncoding` for a coding that was not asked for, several codings included.
    pub fn from_header(header: Option<&str>) -> Result<Self, DecodeError> {
        let codings = header.unwrap_or_default().trim();
        let lower = codings.to_ascii_lowercase();
        let mut packed = lower.split(',').map(str::trim).filter(|coding| CODINGS.contains(coding));
        match (packed.next(), packed.next()) {
            (None, _) => Ok(Self::Identity),
            // RFC 9110 §8.4.1.3: the two are equivalent
            (Some("gzip" | "x-gzip"), None) => Ok(Self::Gzip),
            _ => Err(DecodeError::UnknownEncoding(codings.to_owned())),
        }
    }
}

/// Unpacks `body` into at most `limit` bytes. `buffer` is cleared and used if there is something to unpack, so that
/// a caller can keep it from body to body; it never grows past `limit` by more than what a vector reserves ahead.
///
/// # Errors
/// `TooLarge` when there is more than `limit`, found without unpacking the rest; `Gzip` when it is no whole gzip.
pub fn decode<'a>(
    encoding: Encoding,
    body: &'a [u8],
    limit: usize,
    buffer: &'a mut Vec<u8>,
) -> Result<&'a [u8], DecodeError> {
    let decoded = match encoding {
        Encoding::Identity => body,
        Encoding::Gzip => {
            inflate(body, limit, buffer)?;
            buffer.as_slice()
        }
    };
    if decoded.len() > limit { Err(DecodeError::TooLarge(limit)) } else { Ok(decoded) }
}

/// Unpacks one member after the other, each straight into `buffer`: a reader in between would copy everything twice.
fn inflate(body: &[u8], limit: usize, buffer: &mut Vec<u8>) -> Result<(), DecodeError> {
    buffer.clear();
    let mut rest = member(body, limit, buffer)?;
    while !rest.is_empty() && buffer.len() <= limit {
        rest = member(rest, limit, buffer)?;
    }
    Ok(())
}

/// Unpacks the first member of `body`, until `buffer` has more than `limit`; gives back what follows it.
fn member<'a>(body: &'a [u8], limit: usize, buffer: &mut Vec<u8>) -> Result<&'a [u8], DecodeError> {
    let mut member = Decompress::new_gzip(WINDOW_BITS);
    let mut rest = body;
    while buffer.len() <= limit {
        make_room(buffer, limit);
        let (taken, given) = (member.total_in(), buffer.len());
        let outcome = member.decompress_vec(rest, buffer, FlushDecompress::Finish);
        let status = outcome.map_err(|error| DecodeError::Gzip(error.into()))?;
        let taken = usize::try_from(member.total_in() - taken).unwrap_or(usize::MAX);
        rest = rest.get(taken..).unwrap_or_default();
        match status {
            Status::StreamEnd => return Ok(rest),
            _ if taken == 0 && buffer.len() == given => return Err(truncated()),
            _ => {}
        }
    }
    Ok(rest)
}

/// Room for at least one more byte: as much again as there is, but little past the limit.
fn make_room(buffer: &mut Vec<u8>, limit: usize) {
    if buffer.len() == buffer.capacity() {
        let most = limit.saturating_add(1).saturating_sub(buffer.len());
        buffer.reserve_exact(buffer.len().max(FIRST_BYTES).min(most));
    }
}

fn truncated() -> DecodeError {
    DecodeError::Gzip(std::io::ErrorKind::UnexpectedEof.into())
}

/// The codings that change a body: those that are registered, and those that servers use beside them.
const CODINGS: [&str; 15] = [
    "gzip",
    "x-gzip",
    "deflate",
    "compress",
    "x-compress",
    "br",
    "zstd",
    "dcb",
    "dcz",
    "exi",
    "aes128gcm",
    "pack200-gzip",
    "bzip2",
    "snappy",
    "lz4",
];

/// The largest window of DEFLATE: a member does not say which one it needs.
const WINDOW_BITS: u8 = 15;

/// The first room of a buffer that has none.
const FIRST_BYTES: usize = 32 << 10;

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::{Compression, write::GzEncoder};

    use super::*;

    fn gzip(body: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(body).unwrap();
        encoder.finish().unwrap()
    }

    fn decoded(encoding: Encoding, body: &[u8], limit: usize) -> Result<Vec<u8>, DecodeError> {
        decode(encoding, body, limit, &mut vec![7; 3]).map(<[u8]>::to_vec)
    }

    #[test]
    fn gzip_in_one_member_or_several_is_unpacked() {
        let members = [gzip(b"a 1\n"), gzip(b""), gzip(b"b 2\n")].concat();
        assert_eq!(decoded(Encoding::Gzip, &gzip(b"a 1\n"), 4).unwrap(), b"a 1\n");
        assert_eq!(decoded(Encoding::Gzip, &members, 8).unwrap(), b"a 1\nb 2\n");
        assert_eq!(decoded(Encoding::Identity, b"a 1\n", 4).unwrap(), b"a 1\n");
    }

    #[test]
    fn a_body_at_the_limit_passes_and_one_beyond_it_does_not() {
        for encoding in [Encoding::Identity, Encoding::Gzip] {
            let body = if encoding == Encoding::Gzip { gzip(&[b'x'; 100]) } else { vec![b'x'; 100] };
            assert_eq!(decoded(encoding, &body, 100).unwrap().len(), 100);
            assert!(matches!(decoded(encoding, &body, 99), Err(DecodeError::TooLarge(99))));
        }
    }

    #[test]
    fn a_bomb_is_stopped_at_the_limit() {
        let bomb = [gzip(&vec![0; 8 << 20]), gzip(&vec![0; 8 << 20])].concat();
        assert!(bomb.len() < 1 << 15);
        let mut buffer = Vec::new();
        let result = decode(Encoding::Gzip, &bomb, 1 << 20, &mut buffer).map(<[u8]>::len);
        assert!(matches!(result, Err(DecodeError::TooLarge(_))));
        assert!(buffer.capacity() < 3 << 20, "{}", buffer.capacity());
    }

    #[test]
    fn what_is_no_whole_gzip_is_refused() {
        let whole = gzip(b"a 1\n");
        let mut corrupt = whole.clone();
        let at = corrupt.len() - 6;
        corrupt[at] ^= 1;
        for body in [b"".as_slice(), b"a 1\n", &whole[..whole.len() - 1], &whole[..9], &corrupt] {
            assert!(matches!(decoded(Encoding::Gzip, body, 99), Err(DecodeError::Gzip(_))), "{body:?}");
        }
    }

    #[test]
    fn a_word_that_is_no_coding_leaves_the_body_as_it_is() {
        for header in ["none", "utf-8", "UTF8", "text", "8bit", "identity, utf-8"] {
            assert_eq!(Encoding::from_header(Some(header)).unwrap(), Encoding::Identity, "{header}");
        }
        for header in ["gzip, utf-8", "identity, gzip"] {
            assert_eq!(Encoding::from_header(Some(header)).unwrap(), Encoding::Gzip, "{header}");
        }
    }

    #[test]
    fn encodings_are_gzip_and_identity_in_any_case_and_nothing_else() {
        for header in [None, Some(""), Some("identity"), Some(" Identity ")] {
            assert_eq!(Encoding::from_header(header).unwrap(), Encoding::Identity);
        }
        for header in ["gzip", "GZIP", "x-gzip"] {
            assert_eq!(Encoding::from_header(Some(header)).unwrap(), Encoding::Gzip);
        }
        for header in ["deflate", "br", "zstd", "gzip, gzip", "gzip, br"] {
            let error = Encoding::from_header(Some(header)).unwrap_err();
            assert!(error.to_string().contains(header), "{error}");
        }
    }
}
