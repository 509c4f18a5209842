//! Is a history linearisable: can each operation have taken effect at one moment between its sending and its reply?
//!
//! The search of Wing and Gong with Lowe's memory: try every operation that may be next (its client has nothing before it, and
//! no other operation was over before it was sent), go on from the state behind it, come back when nothing fits. What was
//! tried is remembered as the set of operations done, which is how far each client is, with the state: the rest of the
//! search depends on nothing else.

use std::collections::HashSet;
use std::fmt::Write;

use super::history::History;
use super::model::State;

/// An operation by its client, and its number there.
type Which = (usize, usize);

struct Search<'h> {
    history: &'h History,
    /// How many operations of each client are done.
    done: Vec<usize>,
    order: Vec<Which>,
    tried: HashSet<(Vec<usize>, State)>,
    /// The longest order found, and its state.
    best: (Vec<Which>, State),
}

/// Finds an order that explains the history, beginning with no keys; else a text that shows how far an order can go.
pub fn check(history: &History) -> Result<Vec<Which>, String> {
    let mut search = Search {
        history,
        done: vec![0; history.clients.len()],
        order: Vec::new(),
        tried: HashSet::new(),
        best: (Vec::new(), State::default()),
    };
    if search.explains_from(&State::default()) { Ok(search.order) } else { Err(search.complaint()) }
}

impl Search<'_> {
    /// The operations that may be next.
    fn candidates(&self) -> Vec<Which> {
        let next = |client: usize| self.history.clients[client].get(self.done[client]);
        let clients = 0..self.history.clients.len();
        let first_over = clients.clone().filter_map(next).map(|operation| operation.done).min();
        let may_be_next =
            |client: &usize| next(*client).is_some_and(|one| first_over.is_some_and(|over| one.sent <= over));
        clients.filter(may_be_next).map(|client| (client, self.done[client])).collect()
    }

    fn explains_from(&mut self, state: &State) -> bool {
        if self.order.len() > self.best.0.len() {
            self.best = (self.order.clone(), state.clone());
        }
        let candidates = self.candidates();
        if candidates.is_empty() {
            return true;
        }
        if !self.tried.insert((self.done.clone(), state.clone())) {
            return false;
        }
        for (client, nth) in candidates {
            let Ok(next) = state.step(client, &self.history.clients[client][nth]) else { continue };
            self.done[client] += 1;
            self.order.push((client, nth));
            if self.explains_from(&next) {
                return true;
            }
            self.order.pop();
            self.done[client] -= 1;
        }
        false
    }

    fn complaint(mut self) -> String {
        let (order, state) = std::mem::take(&mut self.best);
        self.done.fill(0);
        order.iter().for_each(|&(client, _)| self.done[client] += 1);
        let mut text = format!("no order explains the history:\n{}", self.history.show(&order));
        let _ = writeln!(
            text,
            "the numbered ones can be explained, and leave {state:?}; then none of these fits:"
        );
        for (client, nth) in self.candidates() {
            let expected = state.step(client, &self.history.clients[client][nth]);
            let _ =
                writeln!(text, "  client {client}, its number {}: expected {:?}", nth + 1, expected.err());
        }
        text
    }
}
