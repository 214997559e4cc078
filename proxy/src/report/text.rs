//! Text for a line of JSON: strings that nothing breaks out of, numbers, times.

/// What is written behind a string that was cut.
const CUT: &[u8] = b"...";
const DIGITS: &[u8; 16] = b"0123456789abcdef";

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
            out.extend_from_slice(&[DIGITS[usize::from(other >> 4)], DIGITS[usize::from(other & 15)]]);
        }
    }
}

/// Appends a number in decimal digits.
pub(super) fn number(out: &mut Vec<u8>, mut number: u64) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
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

/// Appends the 32 digits of an identifier.
pub(super) fn hexadecimal(out: &mut Vec<u8>, id: u128) {
    let mut text = [0; 32];
    for (byte, digits) in id.to_be_bytes().into_iter().zip(text.chunks_exact_mut(2)) {
        digits[0] = DIGITS[usize::from(byte >> 4)];
        digits[1] = DIGITS[usize::from(byte & 15)];
    }
    out.extend_from_slice(&text);
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
        for value in [0, 9, 10, 12_345, u64::MAX] {
            assert_eq!(written(|out| number(out, value)), value.to_string());
        }
        assert_eq!(written(|out| padded::<4>(out, 37)), "0037");
        assert_eq!(written(|out| milliseconds(out, 1_234_056)), "1234.056");
        assert_eq!(written(|out| hexadecimal(out, 0x1f)), format!("{:032x}", 0x1f));
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
