//! SORT: what its patterns mean, and the order of what is sorted. Looking keys up is the command's.

use std::cmp::Ordering;

use super::listpack::Element;

/// A pattern of BY or GET. As in C it ends at a NUL byte when `*` and `->` are looked for in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pattern<'a> {
    /// `#`: the element itself.
    Element,
    /// Without a `*`: no key is meant.
    Constant,
    /// The key that is made by putting the element in the place of the `*`.
    Key {
        /// What is before the `*`.
        prefix: &'a [u8],
        /// What is after it.
        suffix: &'a [u8],
        /// `->field`: a field of the hash there.
        field: Option<&'a [u8]>,
    },
}

impl<'a> Pattern<'a> {
    /// Reads a pattern.
    pub fn new(text: &'a [u8]) -> Self {
        if text == b"#" {
            return Pattern::Element;
        }
        let end = text.iter().position(|&byte| byte == 0).unwrap_or(text.len());
        let Some(star) = text[..end].iter().position(|&byte| byte == b'*') else { return Pattern::Constant };
        let (prefix, rest) = (&text[..star], &text[star + 1..]);
        let arrow = rest[..end - star - 1].windows(2).position(|pair| pair == b"->");
        // There must be a name behind it.
        match arrow.filter(|at| star + 1 + at + 2 < end) {
            Some(at) => Pattern::Key { prefix, suffix: &rest[..at], field: Some(&rest[at + 2..]) },
            None => Pattern::Key { prefix, suffix: rest, field: None },
        }
    }

    /// The key that it means for an element, written to `buffer`; `None`: it means no key.
    pub fn key<'b>(&self, element: Element<'_>, buffer: &'b mut Vec<u8>) -> Option<&'b [u8]> {
        let Pattern::Key { prefix, suffix, .. } = self else { return None };
        buffer.clear();
        buffer.extend_from_slice(prefix);
        buffer.extend_from_slice(element.text(&mut itoa::Buffer::new()));
        buffer.extend_from_slice(suffix);
        Some(buffer)
    }
}

/// What an element is sorted by.
#[derive(Clone, Debug)]
pub enum Weight {
    /// Its own text.
    Own,
    /// A number, and its own text among equal ones.
    Number(f64),
    /// Another text; without one it comes first.
    Text(Option<Box<[u8]>>),
}

/// An element with its weight.
#[derive(Clone, Debug)]
pub struct Item<'a> {
    /// The element.
    pub element: Element<'a>,
    /// What it is sorted by; the same sort for all elements.
    pub weight: Weight,
}

impl Item<'_> {
    fn compare(&self, other: &Self) -> Ordering {
        let own = || compare_texts(self.element, other.element);
        match (&self.weight, &other.weight) {
            (Weight::Number(a), Weight::Number(b)) => {
                a.partial_cmp(b).unwrap_or(Ordering::Equal).then_with(own)
            }
            (Weight::Text(a), Weight::Text(b)) => a.cmp(b),
            _ => own(),
        }
    }
}

/// Puts items in order. Among those that nothing tells apart the order stays.
pub fn sort(items: &mut [Item<'_>], descending: bool) {
    items.sort_by(|a, b| if descending { b.compare(a) } else { a.compare(b) });
}

fn compare_texts(a: Element<'_>, b: Element<'_>) -> Ordering {
    a.text(&mut itoa::Buffer::new()).cmp(b.text(&mut itoa::Buffer::new()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str, element: &str) -> Option<String> {
        let mut buffer = Vec::new();
        let key = Pattern::new(text.as_bytes()).key(Element::new(element.as_bytes()), &mut buffer);
        key.map(|key| String::from_utf8(key.to_vec()).unwrap())
    }

    fn field(text: &str) -> Option<&[u8]> {
        match Pattern::new(text.as_bytes()) {
            Pattern::Key { field, .. } => field,
            _ => None,
        }
    }

    #[test]
    fn the_first_star_is_replaced_and_an_arrow_behind_it_names_a_field() {
        assert_eq!(key("w_*", "a").as_deref(), Some("w_a"));
        assert_eq!(key("*", "12").as_deref(), Some("12"));
        assert_eq!(key("a*b*c", "-").as_deref(), Some("a-b*c"));
        assert_eq!((key("w_*_x->f", "a").as_deref(), field("w_*_x->f")), (Some("w_a_x"), Some(&b"f"[..])));
        assert_eq!(
            (key("a->*->b->c", "1").as_deref(), field("a->*->b->c")),
            (Some("a->1"), Some(&b"b->c"[..]))
        );
        assert_eq!((key("w_*->", "a").as_deref(), field("w_*->")), (Some("w_a->"), None));
        assert_eq!(key("nosort", "a"), None);
        assert_eq!(Pattern::new(b"#"), Pattern::Element);
        assert_eq!(Pattern::new(b"\0*"), Pattern::Constant);
        assert_eq!((key("*\0->f", "a").as_deref(), field("*\0->f")), (Some("a\0->f"), None));
        assert_eq!((key("*->\0f", "a").as_deref(), field("*->\0f")), (Some("a->\0f"), None));
    }

    #[test]
    fn numbers_come_in_order_and_equal_ones_by_their_text() {
        let item = |text: &'static str, number| Item {
            element: Element::new(text.as_bytes()),
            weight: Weight::Number(number),
        };
        let mut items = [item("b", 2.0), item("c", 1.0), item("a", 2.0), item("d", f64::INFINITY)];
        let texts = |items: &[Item<'_>]| {
            items.iter().map(|item| String::from_utf8(item.element.to_vec()).unwrap()).collect::<String>()
        };
        sort(&mut items, false);
        assert_eq!(texts(&items), "cabd");
        sort(&mut items, true);
        assert_eq!(texts(&items), "dbac");
    }
}
