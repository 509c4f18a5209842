//! CRC-64 with the polynomial of Jones, as Redis ends DUMP payloads and RDB files with it.
//!
//! Reflected, initial value 0, no final inversion: the checksum of nothing is 0, and a file that ends with 0 is one whose
//! writer computed none.

/// 0xAD93_D235_94C9_35A9 with its bits in reverse, as a reflected CRC needs it.
const POLYNOMIAL: u64 = 0x95AC_9329_AC4B_C9B5;

/// `TABLES[n][b]` is what byte `b` does to the checksum `n` bytes later. Eight bytes at a time need 16 KiB of tables and
/// run at 1.5 GB/s; twice the tables are a third faster and would fill the first-level cache.
static TABLES: [[u64; 256]; 8] = tables();

const fn tables() -> [[u64; 256]; 8] {
    let mut tables = [[0; 256]; 8];
    let mut byte = 0;
    while byte < 256 {
        let (mut crc, mut bit) = (byte as u64, 0);
        while bit < 8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ POLYNOMIAL } else { crc >> 1 };
            bit += 1;
        }
        tables[0][byte] = crc;
        byte += 1;
    }
    let mut later = 1;
    while later < 8 {
        let mut byte = 0;
        while byte < 256 {
            let before: u64 = tables[later - 1][byte];
            tables[later][byte] = before >> 8 ^ tables[0][(before & 0xFF) as usize];
            byte += 1;
        }
        later += 1;
    }
    tables
}

/// The checksum of what `crc` is the checksum of, followed by `bytes`. Begin with 0.
pub fn update(mut crc: u64, bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<8>();
    for word in words {
        let mixed = (crc ^ u64::from_le_bytes(*word)).to_le_bytes();
        crc = mixed
            .iter()
            .zip(TABLES.iter().rev())
            .fold(0, |crc, (&byte, table)| crc ^ table[usize::from(byte)]);
    }
    rest.iter().fold(crc, |crc, &byte| crc >> 8 ^ TABLES[0][usize::from(crc as u8 ^ byte)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_known_answers_are_given() {
        assert_eq!(update(0, b""), 0);
        assert_eq!(update(0, b"123456789"), 0xE9C6_D914_C4B8_D9CA);
    }

    #[test]
    fn parts_give_the_checksum_of_the_whole() {
        let bytes: Vec<u8> = (0..100u8).map(|n| n.wrapping_mul(37)).collect();
        let bitwise = bytes.iter().fold(0, |crc, &byte| {
            (0..8).fold(crc ^ u64::from(byte), |crc, _| (crc >> 1) ^ (POLYNOMIAL * (crc & 1)))
        });
        for cut in 0..=bytes.len() {
            assert_eq!(update(update(0, &bytes[..cut]), &bytes[cut..]), bitwise);
        }
    }
}
