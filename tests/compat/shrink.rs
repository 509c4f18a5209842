//! Reducing a failing sequence to a small one that still fails.
//!
//! First whole commands are removed, in halves, quarters … down to one at a time (delta debugging), then single
//! arguments, then long arguments are halved, then the newer protocol goes; again until nothing can be removed.

use super::target::Sequence;

/// The smallest sequence found for which `fails` holds; `fails(&sequence)` must hold.
pub fn minimise(sequence: Sequence, mut fails: impl FnMut(&Sequence) -> bool) -> Sequence {
    let mut best = sequence;
    loop {
        let size = best.size();
        remove_commands(&mut best, &mut fails);
        remove_arguments(&mut best, &mut fails);
        halve_arguments(&mut best, &mut fails);
        let simpler = Sequence { protocol: 2, ..best.clone() };
        if best.protocol != 2 && fails(&simpler) {
            best = simpler;
        }
        if best.size() == size {
            return best;
        }
    }
}

impl Sequence {
    fn size(&self) -> usize {
        self.commands.iter().flatten().map(|arg| 1 + arg.len()).sum()
    }
}

fn remove_commands(best: &mut Sequence, fails: &mut impl FnMut(&Sequence) -> bool) {
    let mut chunk = best.commands.len();
    while chunk > 0 {
        let mut start = 0;
        while start < best.commands.len() {
            let mut candidate = best.clone();
            candidate.commands.drain(start..(start + chunk).min(best.commands.len()));
            if fails(&candidate) {
                *best = candidate;
            } else {
                start += chunk;
            }
        }
        chunk /= 2;
    }
}

fn remove_arguments(best: &mut Sequence, fails: &mut impl FnMut(&Sequence) -> bool) {
    for command in 0..best.commands.len() {
        for argument in (1..best.commands[command].len()).rev() {
            let mut candidate = best.clone();
            candidate.commands[command].remove(argument);
            if fails(&candidate) {
                *best = candidate;
            }
        }
    }
}

fn halve_arguments(best: &mut Sequence, fails: &mut impl FnMut(&Sequence) -> bool) {
    for command in 0..best.commands.len() {
        for argument in 1..best.commands[command].len() {
            while best.commands[command][argument].len() > 8 {
                let mut candidate = best.clone();
                let arg = &mut candidate.commands[command][argument];
                arg.truncate(arg.len() / 2);
                if !fails(&candidate) {
                    break;
                }
                *best = candidate;
            }
        }
    }
}

#[test]
fn two_needles_in_a_haystack_are_all_that_is_left() {
    let argv = |line: &str| line.split(' ').map(|word| word.as_bytes().to_vec()).collect::<Vec<_>>();
    let mut commands: Vec<_> = (0..40).map(|i| argv(&format!("SET k{i} v"))).collect();
    commands[7] = argv("APPEND a x y");
    commands[31] = argv("STRLEN a z");
    let has = |sequence: &Sequence, name: &str| {
        sequence.commands.iter().any(|argv| argv[0] == name.as_bytes() && argv.contains(&b"a".to_vec()))
    };
    let fails = |sequence: &Sequence| has(sequence, "APPEND") && has(sequence, "STRLEN");
    let minimal = minimise(Sequence { protocol: 3, commands }, fails);
    assert_eq!(minimal, Sequence { protocol: 2, commands: vec![argv("APPEND a"), argv("STRLEN a")] });
}
