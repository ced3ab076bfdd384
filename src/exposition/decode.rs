//! Content-Encoding: what stands between the wire and an exposition, under a cap of decoded bytes.

use std::io::Read;

use flate2::bufread::MultiGzDecoder;

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
    /// Reads a Content-Encoding header.
    ///
    /// # Errors
    /// `UnknownEncoding` for anything but gzip and identity, several encodings included.
    pub fn from_header(header: Option<&str>) -> Result<Self, DecodeError> {
        let coding = header.unwrap_or_default().trim();
        match coding.to_ascii_lowercase().as_str() {
            "" | "identity" => Ok(Self::Identity),
            // RFC 9110 §8.4.1.3: the two are equivalent
            "gzip" | "x-gzip" => Ok(Self::Gzip),
            _ => Err(DecodeError::UnknownEncoding(coding.to_owned())),
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

fn inflate(body: &[u8], limit: usize, buffer: &mut Vec<u8>) -> Result<(), DecodeError> {
    buffer.clear();
    let one_too_many = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    let mut capped = MultiGzDecoder::new(body).take(one_too_many);
    capped.read_to_end(buffer).map_err(DecodeError::Gzip)?;
    Ok(())
}
