//! Function libraries one after the other: what FUNCTION DUMP has before its footer.

use super::{Source, opcode, string};

/// The body with the codes of libraries. Compressed where that pays.
pub fn body<'c>(codes: impl Iterator<Item = &'c [u8]>) -> Vec<u8> {
    let mut out = Vec::new();
    for code in codes {
        out.push(opcode::FUNCTION_2);
        let Ok(()) = string::put(&mut out, code, true);
    }
    out
}

/// The codes of the libraries in a body. The error is what FUNCTION RESTORE says.
pub fn codes(mut body: &[u8]) -> Result<Vec<Vec<u8>>, &'static str> {
    let mut codes = Vec::new();
    while !body.is_empty() {
        let Ok([kind]) = body.array() else { return Err("can not read data type") };
        match kind {
            opcode::FUNCTION_2 => {}
            opcode::FUNCTION_PRE_GA => return Err("Pre-GA function format not supported"),
            _ => return Err("given type is not a function"),
        }
        let code = string::take(&mut body).map_err(|_| "Failed loading library data")?;
        codes.push(code.into_owned());
    }
    Ok(codes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_come_back_and_damage_is_refused() {
        let long = b"#!lua name=x\n".repeat(30);
        let bytes = body([&b"#!lua name=a\n"[..], &long].into_iter());
        assert_eq!(codes(&bytes), Ok(vec![b"#!lua name=a\n".to_vec(), long]));
        assert_eq!(codes(b"\x00\x01a"), Err("given type is not a function"));
        for cut in 1..bytes.len() {
            let _any_answer_but_a_panic = codes(&bytes[..cut]);
        }
        assert_eq!(codes(&bytes[..bytes.len() - 1]), Err("Failed loading library data"));
    }
}
