//! Text for a line of JSON: strings that nothing breaks out of, numbers, times.

use crate::digits::{Decimal, PAIRS};

/// What is written behind a string that was cut.
const CUT: &[u8] = b"...";

/// Appends a string without its quotes: of at most so many bytes, and of visible ASCII alone. A log is read by terminals and
/// by programs that take a line for a record; what clients send must not reach them as anything else than itself.
pub(super) fn string(out: &mut Vec<u8>, text: &[u8], most: usize) {
    let (text, cut) = text.split_at_checked(most).map_or((text, false), |(text, rest)| (text, !rest.is_empty()));
    // One pass without branches for nearly all, then byte by byte.
    if text.iter().fold(true, |plain, byte| plain & is_plain(*byte)) {
        out.extend_from_slice(text);
    } else {
        for byte in text {
            escape(out, *byte);
        }
    }
    if cut {
        out.extend_from_slice(CUT);
    }
}

fn is_plain(byte: u8) -> bool {
    (0x20..0x7f).contains(&byte) && byte != b'"' && byte != b'\\'
}

/// A byte beyond ASCII stands for itself, not for a part of a character: fields have no coding.
fn escape(out: &mut Vec<u8>, byte: u8) {
    match byte {
        b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
        plain if is_plain(plain) => out.push(plain),
        other => {
            out.extend_from_slice(b"\\u00");
            out.extend_from_slice(&PAIRS[usize::from(other)]);
        }
    }
}

/// Appends a number in decimal digits.
pub(super) fn number(out: &mut Vec<u8>, number: u64) {
    out.extend_from_slice(Decimal::new(number).digits());
}

/// Appends a number with so many digits, the first of them 0 if need be.
pub(super) fn padded<const N: usize>(out: &mut Vec<u8>, mut number: u64) {
    let mut digits = [b'0'; N];
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
    out.extend_from_slice(&digits);
}

/// Appends a time in milliseconds, to the microsecond.
pub(super) fn milliseconds(out: &mut Vec<u8>, micros: u64) {
    number(out, micros / 1000);
    out.push(b'.');
    padded::<3>(out, micros % 1000);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).expect("UTF-8")
    }

    #[test]
    fn numbers_are_written_as_anybody_writes_them() {
        assert_eq!(written(|out| padded::<4>(out, 37)), "0037");
        assert_eq!(written(|out| milliseconds(out, 1_234_056)), "1234.056");
    }

    #[test]
    fn what_a_client_sent_stays_a_string_of_one_line() {
        let said = written(|out| string(out, b"a\"b\\c\r\n\t\x1b[31m\x7f\xff\xe2\x80\xae", 100));
        assert_eq!(said, r#"a\"b\\c\u000d\u000a\u0009\u001b[31m\u007f\u00ff\u00e2\u0080\u00ae"#);
        assert_eq!(written(|out| string(out, b"0123456789", 4)), "0123...");
        assert_eq!(written(|out| string(out, b"0123", 4)), "0123");
    }

    proptest! {
        #[test]
        fn whatever_bytes_come_a_reader_of_json_has_them_again(text in proptest::collection::vec(any::<u8>(), 0..200)) {
            let said = written(|out| string(out, &text, 1000));
            prop_assert!(said.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' '));
            let read: String = serde_json::from_str(&format!("\"{said}\"")).unwrap();
            prop_assert_eq!(read, text.iter().map(|byte| char::from(*byte)).collect::<String>());
        }
    }
}
