//! Numbers as text, without an allocation: decimal for lengths, hexadecimal for identifiers and chunks.

/// The digits of both.
pub(crate) const DIGITS: &[u8; 16] = b"0123456789abcdef";

/// A number in decimal digits.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Decimal {
    digits: [u8; 20],
    start: usize,
}

impl Decimal {
    /// Of this number.
    pub(crate) fn new(number: u64) -> Self {
        let mut digits = [b'0'; 20];
        let (mut start, mut left) = (digits.len(), number);
        while left > 9 {
            start -= 2;
            digits[start..start + 2].copy_from_slice(&TENS[(left % 100) as usize]);
            left /= 100;
        }
        if left > 0 || start == digits.len() {
            start -= 1;
            digits[start] = DIGITS[(left % 10) as usize];
        }
        Self { digits, start }
    }

    /// At least one.
    pub(crate) fn digits(&self) -> &[u8] {
        &self.digits[self.start..]
    }
}

/// The two digits of every number below 100: half as many divisions.
static TENS: [[u8; 2]; 100] = {
    let mut tens = [[0; 2]; 100];
    let mut number = 0;
    while number < tens.len() {
        tens[number] = [DIGITS[number / 10], DIGITS[number % 10]];
        number += 1;
    }
    tens
};

/// The 32 digits of an identifier.
pub(crate) fn hexadecimal(number: u128) -> [u8; 32] {
    let mut text = [0; 32];
    for (byte, digits) in number.to_be_bytes().into_iter().zip(text.as_chunks_mut().0) {
        *digits = PAIRS[usize::from(byte)];
    }
    text
}

/// The two digits of every byte: a request's name has sixteen of them.
pub(crate) static PAIRS: [[u8; 2]; 256] = {
    let mut pairs = [[0; 2]; 256];
    let mut byte = 0;
    while byte < pairs.len() {
        pairs[byte] = [DIGITS[byte >> 4], DIGITS[byte & 15]];
        byte += 1;
    }
    pairs
};

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn numbers_are_written_as_anybody_writes_them(number: u64, id: u128) {
            for number in [0, 9, 10, 99, 100, 101, 1_000, number % 100_000, number, u64::MAX] {
                let written = Decimal::new(number).digits().to_vec();
                proptest::prop_assert_eq!(written, number.to_string().into_bytes());
            }
            proptest::prop_assert_eq!(hexadecimal(id).to_vec(), format!("{id:032x}").into_bytes());
        }
    }
}
