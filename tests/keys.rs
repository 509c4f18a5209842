//! Commands about keys of any type.
