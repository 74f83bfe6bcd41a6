//! Reasons to refuse a JPEG.

/// Reason to refuse a file, to follow its name in a sentence.
pub(in crate::data) type Reason = String;

/// A file that ends before its end marker.
pub(super) const CUT: &str = "is cut short";

pub(super) fn damaged(part: &str) -> Reason {
    format!("is damaged ({part})")
}

pub(super) fn unsupported(kind: &str) -> Reason {
    format!("is a JPEG with {kind}, which is not supported; save it as a baseline JPEG or as PNG")
}
