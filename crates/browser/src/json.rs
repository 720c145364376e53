//! JSON as the page writes it: numbers with a point are written by the browser, which knows how, and the tables for it stay
//! out of the download.

use std::io;

use js_sys::JSON;
use serde::Serialize;
use serde_json::Serializer;
use serde_json::ser::Formatter;

/// This value as JSON. `None` if it has no such form.
pub fn to_json(value: &impl Serialize) -> Option<String> {
    let mut bytes = Vec::new();
    value.serialize(&mut Serializer::with_formatter(&mut bytes, Browser)).ok()?;
    String::from_utf8(bytes).ok()
}

/// Compact, with the browser's numbers.
struct Browser;

impl Formatter for Browser {
    fn write_f32<W: ?Sized + io::Write>(&mut self, writer: &mut W, value: f32) -> io::Result<()> {
        self.write_f64(writer, value.into())
    }

    fn write_f64<W: ?Sized + io::Write>(&mut self, writer: &mut W, value: f64) -> io::Result<()> {
        let text = JSON::stringify(&value.into()).map_err(|_| io::ErrorKind::InvalidData)?;
        writer.write_all(String::from(text).as_bytes())
    }
}
