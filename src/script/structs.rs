//! The library `struct`: numbers and strings as packed bytes.
//!
//! A format is a list of `b B h H l L T f d x s`, `c` and `i I` with an optional size, and between them `<` and `>` (byte
//! order), `!` with an optional alignment, and blanks.

use super::context::Context;
use super::stack::{Answer, Body, Kind, Stack};

/// The library.
pub const FUNCTIONS: &[(&str, Body)] = &[("pack", pack), ("unpack", unpack), ("size", size)];

/// The widest integer.
const INTEGER_MAX: usize = 32;
/// The alignment that `!` alone asks for.
const ALIGNMENT: usize = 8;

/// A format, as far as it has been read.
struct Format<'a> {
    text: &'a [u8],
    is_big: bool,
    alignment: usize,
}

/// One item: its letter and its size.
type Item = (u8, usize);

/// Why a format is none. The text is in [`Context::message`], or the argument at fault is named.
enum Fault {
    Here(&'static str),
    IntegerSize(usize),
    Alignment(usize),
    Option(u8),
}

impl<'a> Format<'a> {
    fn new(text: &'a [u8]) -> Self {
        let end = text.iter().position(|&byte| byte == 0).unwrap_or(text.len());
        Format { text: &text[..end], is_big: false, alignment: 1 }
    }

    fn number(&mut self, otherwise: usize) -> Result<usize, Fault> {
        let mut number: Option<i32> = None;
        while let [digit @ b'0'..=b'9', rest @ ..] = self.text {
            let grown =
                number.unwrap_or(0).checked_mul(10).and_then(|n| n.checked_add(i32::from(digit - b'0')));
            number = Some(grown.ok_or(Fault::Here("integral size overflow"))?);
            self.text = rest;
        }
        Ok(number.map_or(otherwise, |number| number as usize))
    }

    fn next(&mut self) -> Result<Option<Item>, Fault> {
        let Some((&option, rest)) = self.text.split_first() else { return Ok(None) };
        self.text = rest;
        let size = match option {
            b'b' | b'B' | b'x' => 1,
            b'h' | b'H' => 2,
            b'l' | b'L' | b'T' | b'd' => 8,
            b'f' => 4,
            b'c' => self.number(1)?,
            b'i' | b'I' => {
                let size = self.number(4)?;
                if size > INTEGER_MAX {
                    return Err(Fault::IntegerSize(size));
                }
                size
            }
            _ => 0,
        };
        Ok(Some((option, size)))
    }

    /// Bytes to skip so that an item begins where its alignment allows.
    fn padding(&self, at: usize, (option, size): Item) -> usize {
        if size == 0 || option == b'c' {
            return 0;
        }
        let size = size.min(self.alignment).max(1);
        size.wrapping_sub(at & (size - 1)) & (size - 1)
    }

    /// An item that is none but says how to read the others.
    fn control(&mut self, option: u8) -> Result<(), Fault> {
        match option {
            b' ' => {}
            b'>' => self.is_big = true,
            b'<' => self.is_big = false,
            b'!' => {
                let alignment = self.number(ALIGNMENT)?;
                if !alignment.is_power_of_two() {
                    return Err(Fault::Alignment(alignment));
                }
                self.alignment = alignment;
            }
            _ => return Err(Fault::Option(option)),
        }
        Ok(())
    }
}

fn raise(stack: Stack, context: &mut Context, fault: &Fault) -> Answer {
    let text = match fault {
        Fault::Here(text) => return Err(context.fail(text)),
        Fault::IntegerSize(size) => {
            [b"integral size ", decimal(&mut itoa::Buffer::new(), *size), b" is larger than limit of 32"]
                .concat()
        }
        Fault::Alignment(size) => {
            [b"alignment ", decimal(&mut itoa::Buffer::new(), *size), b" is not a power of 2"].concat()
        }
        Fault::Option(option) => {
            context.buffer.clear();
            context.buffer.extend_from_slice(b"invalid format option '");
            context.buffer.extend_from_slice(&[*option, b'\'']);
            stack.complain_about(1, &mut context.buffer);
            return Ok(0);
        }
    };
    context.message = text;
    Err(super::stack::Raise::Here)
}

fn decimal(buffer: &mut itoa::Buffer, number: usize) -> &[u8] {
    buffer.format(number).as_bytes()
}

fn pack(stack: Stack, context: &mut Context) -> Answer {
    context.buffer.clear();
    let mut format = Format::new(stack.check_bytes(1));
    // An argument too few is a nil.
    stack.push_nil();
    let mut argument = 2;
    loop {
        let (option, size) = match format.next() {
            Ok(Some(item)) => item,
            Ok(None) => break,
            Err(fault) => return raise(stack, context, &fault),
        };
        let out = &mut context.buffer;
        out.resize(out.len() + format.padding(out.len(), (option, size)), 0);
        match option {
            b'b' | b'B' | b'h' | b'H' | b'l' | b'L' | b'T' | b'i' | b'I' => {
                let number = stack.check_number(argument);
                let value = if number < 0.0 { number as i64 as u64 } else { number as u64 };
                put(out, size, format.is_big, value);
                argument += 1;
            }
            b'x' => out.push(0),
            b'f' => {
                let bytes = (stack.check_number(argument) as f32).to_bits();
                out.extend_from_slice(&if format.is_big { bytes.to_be_bytes() } else { bytes.to_le_bytes() });
                argument += 1;
            }
            b'd' => {
                let bytes = stack.check_number(argument).to_bits();
                out.extend_from_slice(&if format.is_big { bytes.to_be_bytes() } else { bytes.to_le_bytes() });
                argument += 1;
            }
            b'c' | b's' => {
                let bytes = stack.check_bytes(argument);
                argument += 1;
                let size = if size == 0 { bytes.len() } else { size };
                if bytes.len() < size {
                    stack.complain(argument, c"string too short");
                    return Ok(0);
                }
                out.extend_from_slice(&bytes[..size]);
                if option == b's' {
                    out.push(0);
                }
            }
            _ => {
                if let Err(fault) = format.control(option) {
                    return raise(stack, context, &fault);
                }
            }
        }
    }
    stack.push_bytes(&context.buffer);
    Ok(1)
}

/// The lowest `size` bytes of an integer; it has no more than eight.
fn put(out: &mut Vec<u8>, size: usize, is_big: bool, value: u64) {
    for at in 0..size {
        let at = if is_big { size - 1 - at } else { at };
        out.push(if at < 8 { (value >> (8 * at)) as u8 } else { 0 });
    }
}

fn take(bytes: &[u8], is_big: bool, is_signed: bool) -> f64 {
    let size = bytes.len();
    let at = |at: usize| if is_big { bytes[size - 1 - at] } else { bytes[at] };
    let value = (0..size.min(8)).fold(0u64, |value, index| value | u64::from(at(index)) << (8 * index));
    if !is_signed {
        return value as f64;
    }
    let shift = 64 - 8 * size.clamp(1, 8) as u32;
    ((value << shift) as i64 >> shift) as f64
}

fn unpack(stack: Stack, context: &mut Context) -> Answer {
    let mut format = Format::new(stack.check_bytes(1));
    let data = stack.check_bytes(2);
    let start = if matches!(stack.kind(3), Kind::None | Kind::Nil) { 1.0 } else { stack.check_number(3) };
    if start < 1.0 {
        stack.complain(3, c"offset must be 1 or greater");
        return Ok(0);
    }
    let (mut at, mut values) = (start as usize - 1, 0);
    loop {
        let (option, mut size) = match format.next() {
            Ok(Some(item)) => item,
            Ok(None) => break,
            Err(fault) => return raise(stack, context, &fault),
        };
        at += format.padding(at, (option, size));
        if at > data.len() || size > data.len() - at {
            stack.complain(2, c"data string too short");
            return Ok(0);
        }
        if !stack.has_room(3) {
            return Err(context.fail("stack overflow (too many results)"));
        }
        let bytes = &data[at..at + size];
        match option {
            b'b' | b'B' | b'h' | b'H' | b'l' | b'L' | b'T' | b'i' | b'I' | b'f' | b'd' => {
                stack.push_number(match option {
                    b'f' => f64::from(f32::from_bits(unsigned(bytes, format.is_big) as u32)),
                    b'd' => f64::from_bits(unsigned(bytes, format.is_big)),
                    _ => take(bytes, format.is_big, option.is_ascii_lowercase()),
                });
                values += 1;
            }
            b'x' => {}
            b'c' => {
                if size == 0 {
                    if values == 0 || !stack.is_numeric(-1) {
                        return Err(context.fail("format 'c0' needs a previous size"));
                    }
                    size = stack.number(-1) as usize;
                    stack.pop(1);
                    values -= 1;
                    if size > data.len() - at {
                        stack.complain(2, c"data string too short");
                        return Ok(0);
                    }
                }
                stack.push_bytes(&data[at..at + size]);
                values += 1;
            }
            b's' => {
                let Some(end) = memchr::memchr(0, &data[at..]) else {
                    return Err(context.fail("unfinished string in data"));
                };
                stack.push_bytes(&data[at..at + end]);
                size = end + 1;
                values += 1;
            }
            _ => {
                if let Err(fault) = format.control(option) {
                    return raise(stack, context, &fault);
                }
            }
        }
        at += size;
    }
    stack.push_number(at as f64 + 1.0);
    Ok(values + 1)
}

fn unsigned(bytes: &[u8], is_big: bool) -> u64 {
    let size = bytes.len();
    (0..size).fold(0, |value, at| {
        let byte = if is_big { bytes[size - 1 - at] } else { bytes[at] };
        value | u64::from(byte) << (8 * at)
    })
}

fn size(stack: Stack, context: &mut Context) -> Answer {
    let mut format = Format::new(stack.check_bytes(1));
    let mut at = 0usize;
    loop {
        let (option, size) = match format.next() {
            Ok(Some(item)) => item,
            Ok(None) => break,
            Err(fault) => return raise(stack, context, &fault),
        };
        at = at.wrapping_add(format.padding(at, (option, size)));
        match (option, size) {
            (b's', _) => stack.complain(1, c"option 's' has no fixed size"),
            (b'c', 0) => stack.complain(1, c"option 'c0' has no fixed size"),
            _ if !option.is_ascii_alphanumeric() => {
                if let Err(fault) = format.control(option) {
                    return raise(stack, context, &fault);
                }
            }
            _ => {}
        }
        at = at.wrapping_add(size);
    }
    stack.push_number(at as f64);
    Ok(1)
}
