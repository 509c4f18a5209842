//! Reading JSON.

use super::{DEPTH_MAX, fail};
use crate::script::context::Context;
use crate::script::stack::{Answer, Stack};

/// A piece of JSON.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Token {
    ObjectBegin,
    ObjectEnd,
    ArrayBegin,
    ArrayEnd,
    /// Its content is in the scratch buffer.
    String,
    Number(f64),
    Boolean(bool),
    Null,
    Colon,
    Comma,
    End,
    Invalid(&'static str),
}

impl Token {
    fn name(self) -> &'static str {
        match self {
            Token::ObjectBegin => "T_OBJ_BEGIN",
            Token::ObjectEnd => "T_OBJ_END",
            Token::ArrayBegin => "T_ARR_BEGIN",
            Token::ArrayEnd => "T_ARR_END",
            Token::String => "T_STRING",
            Token::Number(_) => "T_NUMBER",
            Token::Boolean(_) => "T_BOOLEAN",
            Token::Null => "T_NULL",
            Token::Colon => "T_COLON",
            Token::Comma => "T_COMMA",
            Token::End => "T_END",
            Token::Invalid(what) => what,
        }
    }
}

/// Why a text is no JSON.
enum Fault {
    /// Something else was expected than this token here.
    Expected(&'static str, Token, usize),
    /// So many levels are too many.
    Depth(i32),
}

/// A text, as far as it has been read.
struct Parser<'a> {
    text: &'a [u8],
    at: usize,
    /// Where the last token began, or went wrong.
    index: usize,
    scratch: &'a mut Vec<u8>,
    depth: i32,
    depth_max: i32,
    takes_invalid: bool,
}

/// `cjson.decode`
pub fn decode(stack: Stack, context: &mut Context) -> Answer {
    if stack.top() != 1 {
        stack.complain(1, c"expected 1 argument");
    }
    let text = stack.check_bytes(1);
    if text.len() >= 2 && (text[0] == 0 || text[1] == 0) {
        return Err(context.fail("JSON parser does not support UTF-16 or UTF-32"));
    }
    let settings = context.cjson;
    context.buffer.clear();
    let mut parser = Parser {
        text,
        at: 0,
        index: 0,
        scratch: &mut context.buffer,
        depth: 0,
        depth_max: settings.decode_depth.min(DEPTH_MAX),
        takes_invalid: settings.decode_invalid,
    };
    let first = parser.next();
    let parsed = parser.push_value(stack, first).and_then(|()| match parser.next() {
        Token::End => Ok(()),
        token => Err(Fault::Expected("the end", token, parser.index)),
    });
    let at = parser.at;
    match parsed {
        Ok(()) => Ok(1),
        Err(Fault::Expected(what, token, at)) => {
            let mut position = itoa::Buffer::new();
            let position = position.format(at + 1).as_bytes();
            let (what, found) = (what.as_bytes(), token.name().as_bytes());
            Err(fail(context, &[b"Expected ", what, b" but found ", found, b" at character ", position]))
        }
        Err(Fault::Depth(depth)) => {
            let mut text = itoa::Buffer::new();
            let depth = text.format(depth).as_bytes();
            let mut position = itoa::Buffer::new();
            let at = position.format(at).as_bytes();
            Err(fail(context, &[b"Found too many nested data structures (", depth, b") at character ", at]))
        }
    }
}

impl Parser<'_> {
    fn peek(&self, ahead: usize) -> u8 {
        self.text.get(self.at + ahead).copied().unwrap_or(0)
    }

    fn invalid(&mut self, what: &'static str) -> Token {
        self.index = self.at;
        Token::Invalid(what)
    }

    fn next(&mut self) -> Token {
        while matches!(self.text.get(self.at), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
        self.index = self.at;
        let token = match self.peek(0) {
            b'{' => Token::ObjectBegin,
            b'}' => Token::ObjectEnd,
            b'[' => Token::ArrayBegin,
            b']' => Token::ArrayEnd,
            b',' => Token::Comma,
            b':' => Token::Colon,
            0 => return Token::End,
            b'"' => return self.string(),
            b'-' | b'0'..=b'9' => {
                if !self.takes_invalid && self.is_invalid_number() {
                    return self.invalid("invalid number");
                }
                return self.number();
            }
            _ => return self.word(),
        };
        self.at += 1;
        token
    }

    fn word(&mut self) -> Token {
        let words = [("true", Token::Boolean(true)), ("false", Token::Boolean(false)), ("null", Token::Null)];
        for (word, token) in words {
            if self.text[self.at..].starts_with(word.as_bytes()) {
                self.at += word.len();
                return token;
            }
        }
        let may_be_number = matches!(self.peek(0), b'i' | b'I' | b'n' | b'N' | b'+');
        if may_be_number && self.takes_invalid && self.is_invalid_number() {
            return self.number();
        }
        self.invalid("invalid token")
    }

    /// Is it a number that C reads and JSON does not have?
    fn is_invalid_number(&self) -> bool {
        let rest = &self.text[self.at..];
        let rest = match rest.first() {
            Some(b'+') => return true,
            Some(b'-') => &rest[1..],
            _ => rest,
        };
        match rest.first() {
            Some(b'0') => matches!(rest.get(1), Some(b'x' | b'X' | b'0'..=b'9')),
            Some(..=b'9') | None => false,
            _ => starts_with_word(rest, b"inf") || starts_with_word(rest, b"nan"),
        }
    }

    /// As much of a number as C's `strtod` takes.
    fn number(&mut self) -> Token {
        let rest = &self.text[self.at..];
        match number_prefix(rest) {
            Some((number, length)) => {
                self.at += length;
                Token::Number(number)
            }
            None => self.invalid("invalid number"),
        }
    }

    fn string(&mut self) -> Token {
        self.at += 1;
        self.scratch.clear();
        loop {
            match self.peek(0) {
                b'"' => break,
                0 => return self.invalid("unexpected end of string"),
                b'\\' => {
                    let plain = match self.peek(1) {
                        byte @ (b'"' | b'\\' | b'/') => byte,
                        b'b' => 8,
                        b't' => b'\t',
                        b'n' => b'\n',
                        b'f' => 12,
                        b'r' => b'\r',
                        b'u' => {
                            if !self.unicode() {
                                return self.invalid("invalid unicode escape code");
                            }
                            continue;
                        }
                        _ => return self.invalid("invalid escape code"),
                    };
                    self.scratch.push(plain);
                    self.at += 2;
                }
                byte => {
                    self.scratch.push(byte);
                    self.at += 1;
                }
            }
        }
        self.at += 1;
        Token::String
    }

    fn hex(&self, ahead: usize) -> Option<u32> {
        let digits = self.text.get(self.at + ahead..self.at + ahead + 4)?;
        digits.iter().try_fold(0, |value, &digit| Some(value << 4 | char::from(digit).to_digit(16)?))
    }

    /// Takes `\uXXXX`, or two of them that are one character.
    fn unicode(&mut self) -> bool {
        let Some(mut code) = self.hex(2) else { return false };
        let mut length = 6;
        if code & 0xf800 == 0xd800 {
            if code & 0x400 != 0 || self.peek(6) != b'\\' || self.peek(7) != b'u' {
                return false;
            }
            let Some(low) = self.hex(8).filter(|low| low & 0xfc00 == 0xdc00) else { return false };
            code = ((code & 0x3ff) << 10 | low & 0x3ff) + 0x1_0000;
            length = 12;
        }
        let Some(character) = char::from_u32(code) else { return false };
        self.scratch.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
        self.at += length;
        true
    }

    fn descend(&mut self, stack: Stack) -> Result<(), Fault> {
        self.depth += 1;
        if self.depth > self.depth_max || !stack.has_room(4) { Err(Fault::Depth(self.depth)) } else { Ok(()) }
    }

    fn push_value(&mut self, stack: Stack, token: Token) -> Result<(), Fault> {
        match token {
            Token::String => stack.push_bytes(self.scratch),
            Token::Number(number) => stack.push_number(number),
            Token::Boolean(value) => stack.push_boolean(value),
            Token::Null => stack.push_null_pointer(),
            Token::ObjectBegin => self.push_object(stack)?,
            Token::ArrayBegin => self.push_array(stack)?,
            _ => return Err(Fault::Expected("value", token, self.index)),
        }
        Ok(())
    }

    fn push_object(&mut self, stack: Stack) -> Result<(), Fault> {
        self.descend(stack)?;
        stack.push_table(0, 0);
        let mut token = self.next();
        if token == Token::ObjectEnd {
            self.depth -= 1;
            return Ok(());
        }
        loop {
            if token != Token::String {
                return Err(Fault::Expected("object key string", token, self.index));
            }
            stack.push_bytes(self.scratch);
            token = self.next();
            if token != Token::Colon {
                return Err(Fault::Expected("colon", token, self.index));
            }
            token = self.next();
            self.push_value(stack, token)?;
            stack.set_pair(-3);
            match self.next() {
                Token::ObjectEnd => break,
                Token::Comma => token = self.next(),
                other => return Err(Fault::Expected("comma or object end", other, self.index)),
            }
        }
        self.depth -= 1;
        Ok(())
    }

    fn push_array(&mut self, stack: Stack) -> Result<(), Fault> {
        self.descend(stack)?;
        stack.push_table(0, 0);
        let mut token = self.next();
        if token == Token::ArrayEnd {
            self.depth -= 1;
            return Ok(());
        }
        for position in 1.. {
            self.push_value(stack, token)?;
            stack.set_element(-2, position);
            match self.next() {
                Token::ArrayEnd => break,
                Token::Comma => token = self.next(),
                other => return Err(Fault::Expected("comma or array end", other, self.index)),
            }
        }
        self.depth -= 1;
        Ok(())
    }
}

fn starts_with_word(text: &[u8], word: &[u8]) -> bool {
    text.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word))
}

/// The number at the start of a text, and its length.
fn number_prefix(text: &[u8]) -> Option<(f64, usize)> {
    let (is_negative, sign) = match text.first()? {
        b'-' => (true, 1),
        b'+' => (false, 1),
        _ => (false, 0),
    };
    let rest = &text[sign..];
    let (magnitude, length) = if starts_with_word(rest, b"infinity") {
        (f64::INFINITY, 8)
    } else if starts_with_word(rest, b"inf") {
        (f64::INFINITY, 3)
    } else if starts_with_word(rest, b"nan") {
        (f64::NAN, 3)
    } else if starts_with_word(rest, b"0x") && rest.get(2).is_some_and(u8::is_ascii_hexdigit) {
        let digits = rest[2..].iter().take_while(|byte| byte.is_ascii_hexdigit());
        let value =
            |value: f64, digit: &u8| value * 16.0 + f64::from(char::from(*digit).to_digit(16).unwrap_or(0));
        let length = digits.clone().count();
        (digits.fold(0.0, value), 2 + length)
    } else {
        let length = decimal_length(rest)?;
        (std::str::from_utf8(&rest[..length]).ok()?.parse().ok()?, length)
    };
    Some((if is_negative { -magnitude } else { magnitude }, sign + length))
}

fn decimal_length(text: &[u8]) -> Option<usize> {
    let digits = |from: usize| text[from..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let whole = digits(0);
    let mut length = whole;
    if text.get(length) == Some(&b'.') {
        let fraction = digits(length + 1);
        if whole + fraction == 0 {
            return None;
        }
        length += 1 + fraction;
    } else if whole == 0 {
        return None;
    }
    if matches!(text.get(length), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(text.get(length + 1), Some(b'+' | b'-')));
        let exponent = text.get(length + 1 + sign..).map_or(0, |_| digits(length + 1 + sign));
        if exponent > 0 {
            length += 1 + sign + exponent;
        }
    }
    Some(length)
}
