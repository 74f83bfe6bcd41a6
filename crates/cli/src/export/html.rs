//! The document of a page.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;
use maud::{DOCTYPE, PreEscaped, html};
use std::io::Write;

/// Content security policy: the page loads nothing, from nowhere.
const POLICY: &str = "default-src 'none'; media-src blob:; style-src 'unsafe-inline'; script-src 'unsafe-inline'; \
                      base-uri 'none'; form-action 'none'";

/// The contents of a document.
pub(super) struct Document<'a> {
    /// Name of the run.
    pub(super) run: &'a str,
    /// Name of the family.
    pub(super) family: &'a str,
    /// Plan and description, as JSON.
    pub(super) content: &'a str,
    /// The contents of buffers.
    pub(super) weights: &'a [u8],
    /// Training images and labels, of a page that trains.
    pub(super) data: &'a [u8],
}

/// The document as HTML. All text from outside is escaped, or encoded in base 64.
pub(super) fn document(document: &Document<'_>) -> String {
    let Document { run, family, content, weights, data } = document;
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (run) " · frit" }
                style { (PreEscaped(include_str!("page.css"))) }
            }
            body {
                main {
                    header {
                        p.run { (run) }
                        h1 { (family) }
                        p #facts {}
                    }
                    p #status role="status" aria-live="polite" { "Loading the model …" }
                    noscript { p { "This page runs a model in the browser and needs JavaScript." } }
                    div #sections {}
                    footer { p { "Made by frit. The model runs in this page, on your device; nothing is sent." } }
                }
                script type="text/plain" id="content" { (packed(content.as_bytes())) }
                script type="text/plain" id="weights" { (STANDARD.encode(weights)) }
                @if !data.is_empty() {
                    script type="text/plain" id="data" { (packed(data)) }
                }
                script { (PreEscaped(include_str!("interpreter.js"))) }
                script { (PreEscaped(include_str!("widgets.js"))) }
                script { (PreEscaped(include_str!("model.js"))) }
                script { (PreEscaped(include_str!("sequences.js"))) }
                script { (PreEscaped(include_str!("train.js"))) }
                script { (PreEscaped(include_str!("page.js"))) }
            }
        }
    };
    page.into_string()
}

/// Bytes, compressed by gzip, in base 64.
fn packed(bytes: &[u8]) -> String {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    let compressed = encoder.write_all(bytes).and_then(|()| encoder.finish());
    STANDARD.encode(compressed.expect("memory takes every byte"))
}
