//! The bytes of a body become text: unpacked, without a byte order mark.

use axum::http::{HeaderMap, header};
use bytes::Bytes;

use crate::exposition::decode::{DecodeError, Encoding, decode};

use super::{MAX_BODY_BYTES, WriteError};

/// Unpacks a body as its Content-Encoding says, into no more bytes than an unpacked one may have.
pub(super) fn unpacked(headers: &HeaderMap, body: Bytes) -> Result<Bytes, WriteError> {
    let encodings: Vec<_> =
        headers.get_all(header::CONTENT_ENCODING).iter().map(|value| value.to_str()).collect();
    let encoding = match encodings.as_slice() {
        [] => Encoding::Identity,
        [Ok(one)] => Encoding::from_header(Some(one))?,
        several => return Err(DecodeError::UnknownEncoding(format!("{} encodings", several.len())).into()),
    };
    if encoding == Encoding::Identity {
        return Ok(body);
    }
    let mut unpacked = Vec::new();
    decode(encoding, &body, MAX_BODY_BYTES, &mut unpacked)?;
    Ok(unpacked.into())
}

/// A body as text.
pub(super) fn of(body: &[u8]) -> Result<&str, WriteError> {
    let unreadable = || match body {
        [0x1f, 0x8b, ..] => WriteError::Packed,
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => WriteError::Utf16,
        _ => WriteError::NotUtf8,
    };
    let text = std::str::from_utf8(body).map_err(|_| unreadable())?;
    Ok(text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text))
}

const BYTE_ORDER_MARK: char = '\u{feff}';

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

    fn headers(encodings: &[&str]) -> HeaderMap {
        encodings.iter().map(|encoding| (header::CONTENT_ENCODING, encoding.parse().unwrap())).collect()
    }

    fn unpack(encodings: &[&str], body: Vec<u8>) -> Result<Bytes, u16> {
        unpacked(&headers(encodings), body.into()).map_err(|error| error.status().as_u16())
    }

    #[test]
    fn gzip_is_unpacked_under_the_limit_of_a_plain_body() {
        for encoding in ["gzip", "GZIP", "x-gzip"] {
            assert_eq!(unpack(&[encoding], gzip(b"42")).unwrap(), "42");
        }
        assert_eq!(unpack(&["identity"], b"42".to_vec()).unwrap(), "42");
        assert_eq!(unpack(&["gzip"], gzip(&vec![b'1'; MAX_BODY_BYTES])).unwrap().len(), MAX_BODY_BYTES);
        assert_eq!(unpack(&["gzip"], gzip(&vec![b'1'; MAX_BODY_BYTES + 1])), Err(413));
        assert_eq!(unpack(&["gzip"], b"42".to_vec()), Err(400));
        assert_eq!(unpack(&["gzip"], gzip(b"42")[..9].to_vec()), Err(400));
        for encodings in [&["br"][..], &["deflate"], &["zstd"], &["gzip, gzip"], &["gzip", "gzip"]] {
            assert_eq!(unpack(encodings, gzip(b"42")), Err(415), "{encodings:?}");
        }
    }

    #[test]
    fn a_byte_order_mark_is_dropped_and_other_encodings_are_named() {
        assert_eq!(of(b"\xef\xbb\xbf{}").unwrap(), "{}");
        assert_eq!(of(b"\xef\xbb\xbf").unwrap(), "");
        assert!(of(&gzip(b"42")).unwrap_err().to_string().contains("Content-Encoding: gzip"));
        assert!(of(b"\xff\xfe4\x002\x00").unwrap_err().to_string().contains("UTF-16"));
        assert!(of(b"\xff").unwrap_err().to_string().contains("not UTF-8"));
    }
}
