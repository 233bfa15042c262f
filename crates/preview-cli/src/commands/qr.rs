//! A URL for the camera of a phone.

use qrcode::QrCode;
use qrcode::render::unicode::Dense1x2;

use crate::output::Output;

/// Prints it; a URL too long for a code is left out.
pub(super) fn print(output: Output, url: &str) {
    if let Ok(code) = QrCode::new(url) {
        output.line(code.render::<Dense1x2>().build());
    }
}
