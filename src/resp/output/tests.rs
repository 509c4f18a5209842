//! Tests of the module above.

use super::*;

fn unsent(output: &Output, limit: usize) -> Vec<u8> {
    let mut slices = [IoSlice::new(&[]); 64];
    let count = output.io_slices(limit, &mut slices);
    slices[..count].iter().flat_map(|slice| slice.to_vec()).collect()
}

#[test]
fn bytes_and_splices_come_out_in_order() {
    let value = Arc::new(b"0123456789".to_vec());
    let mut output = Output::new();
    output.splice(value.clone(), 0..2);
    output.extend(b"ab");
    output.splice(value.clone(), 2..5);
    output.splice(value.clone(), 5..6);
    output.splice(value, 6..6);
    output.extend(b"c");
    assert_eq!(output.len(), 9);
    assert_eq!(unsent(&output, usize::MAX), b"01ab2345c");
    assert_eq!(unsent(&output, 5), b"01ab2");
    assert_eq!(unsent(&output, 0), b"");
    let mut two = [IoSlice::new(&[]); 2];
    assert_eq!(output.io_slices(usize::MAX, &mut two), 2);
    assert_eq!(&*two[1], b"ab");
}

#[test]
fn every_way_of_consuming_leaves_the_rest() {
    let value = Arc::new(b"0123456789".to_vec());
    for first in 0..=12 {
        for second in 0..=12 - first {
            let mut output = Output::new();
            output.extend(b"ab");
            output.splice(value.clone(), 1..5);
            output.extend(b"cd");
            output.splice(value.clone(), 5..9);
            let all = b"ab1234cd5678";
            output.consume(first);
            assert_eq!(unsent(&output, usize::MAX), all[first..]);
            output.consume(second);
            assert_eq!(unsent(&output, usize::MAX), all[first + second..]);
            assert_eq!((output.sent(), output.position()), ((first + second) as u64, 12));
        }
    }
    assert_eq!(Arc::strong_count(&value), 1, "a sent value is let go");
}

#[test]
fn nothing_behind_a_held_position_is_shown() {
    let mut output = Output::new();
    output.extend(b"+OK\r\n");
    let durable = output.position();
    output.extend(b":1\r\n");
    let shown = |output: &Output, position| {
        let mut slices = [IoSlice::new(&[]); 4];
        let count = output.io_slices_until(position, &mut slices);
        slices[..count].iter().flat_map(|slice| slice.to_vec()).collect::<Vec<_>>()
    };
    assert_eq!(shown(&output, durable), b"+OK\r\n");
    output.consume(5);
    assert_eq!(shown(&output, durable), b"");
    assert_eq!(shown(&output, 0), b"");
    assert_eq!(shown(&output, u64::MAX), b":1\r\n");
}

#[test]
fn a_rollback_leaves_no_trace() {
    let value = Arc::new(b"0123456789".to_vec());
    let mut output = Output::new();
    output.extend(b"ab");
    output.splice(value.clone(), 0..3);
    let mark = output.mark();
    output.extend(b"cd");
    output.splice(value.clone(), 0..9);
    output.rollback(mark);
    assert_eq!((output.len(), output.position()), (5, 5));
    assert_eq!(unsent(&output, usize::MAX), b"ab012");
    assert_eq!(Arc::strong_count(&value), 2);
}

#[test]
fn bytes_moved_to_a_gap_push_up_what_is_behind_it_and_only_that() {
    let value = Arc::new(b"0123456789".to_vec());
    let mut output = Output::new();
    output.extend(b"a");
    output.splice(value.clone(), 0..2);
    let gap = output.gap();
    output.splice(value.clone(), 2..4);
    output.extend(b"b");
    output.splice(value, 4..6);
    let end = output.gap();
    output.extend(b"*3\r\n");
    output.move_to(gap, end);
    assert_eq!(unsent(&output, usize::MAX), b"a01*3\r\n23b45");
}

#[test]
fn steady_traffic_allocates_nothing_and_one_big_reply_is_given_back() {
    let mut output = Output::new();
    output.extend(&[b'x'; 1000]);
    output.consume(1000);
    let capacity = output.buffer.capacity();
    for _ in 0..1000 {
        output.extend(&[b'x'; 1000]);
        output.consume(400);
        output.consume(600);
    }
    assert_eq!(output.buffer.capacity(), capacity);

    output.extend(&vec![b'x'; 1 << 20]);
    output.consume(1 << 20);
    assert_eq!(output.memory(), 0);

    output.extend(&vec![b'x'; 100_000]);
    output.consume(100_000);
    assert!(output.buffer.capacity() >= 100_000, "a busy connection keeps what it uses");
    for _ in 0..IDLE_DRAINS {
        output.extend(b"+OK\r\n");
        output.consume(5);
    }
    assert!(output.buffer.capacity() <= KEPT);
    output.trim();
    assert_eq!(output.memory(), 0);
}

#[test]
fn an_output_that_never_runs_empty_does_not_grow_for_ever() {
    let value = Arc::new(vec![b'v'; 100]);
    let mut output = Output::new();
    output.extend(&[b'a'; 1000]);
    for round in 0..10_000u32 {
        output.extend(&[round as u8; 900]);
        output.splice(value.clone(), 0..100);
        output.consume(1000);
        assert_eq!(output.len(), 1000);
    }
    assert!(output.buffer.capacity() <= 4 * COMPACT_MIN);
    assert_eq!(output.position(), 1000 + 10_000 * 1000);
}

/// Random appends, splices and consumptions against a plain vector.
#[test]
fn an_output_behaves_like_the_vector_of_its_bytes() {
    let mut state = 0x0a02_bdbf_7bb3_c0a7u64;
    println!("seed {state:#x}");
    let mut next = |bound: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 11) as usize % bound
    };
    let value = Arc::new((0..=255u8).cycle().take(50_000).collect::<Vec<_>>());
    let (mut output, mut model) = (Output::new(), Vec::new());
    for _ in 0..20_000 {
        match next(6) {
            0..=2 => {
                let start = next(40_000);
                let len_max = if next(20) == 0 { 10_000 } else { 300 };
                let range = start..start + next(len_max);
                model.extend_from_slice(&value[range.clone()]);
                if next(2) == 0 { output.extend(&value[range]) } else { output.splice(value.clone(), range) }
            }
            3 => {
                let mark = output.mark();
                output.extend(b"gone");
                output.splice(value.clone(), 0..next(100));
                output.rollback(mark);
            }
            _ => {
                let count = next(model.len() + 1).min(next(20_000) + 1);
                model.drain(..count);
                output.consume(count);
            }
        }
        assert_eq!(output.len(), model.len());
        let limit = next(1000);
        let shown = unsent(&output, limit);
        assert_eq!(shown, model[..shown.len()]);
        assert!(shown.len() == limit.min(model.len()) || output.splices.len() > 20);
    }
}
