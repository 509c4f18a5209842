//! The spine of a big collection: a counted B+tree over the collection's chunks.
//!
//! A collection (a sorted set, its index, a list) keeps its elements in chunks and here what leads to them: for every chunk a
//! handle `H`, how many elements it has, and a bound `B` that separates it from the chunk before.
//!
//! * There is always at least one chunk, though it may be empty.
//! * A chunk's bound is at most every key in the chunk and above every key in the chunks before. The first chunk's bound is
//!   never looked at: what is below all bounds belongs there. What a key is, and how it compares, is the collection's business;
//!   one that is only addressed by position uses `()`.
//! * Everything is behind `Arc`: a clone is one reference, and a writer copies the nodes on its path, each of at most
//!   [`FANOUT`] entries.
//! * A [`Place`] is a path from the root. It holds until a chunk is added or removed.
//! * It never looks into chunks: splitting and joining them is the collection's policy.

use std::sync::Arc;

use super::tight;

/// The most children of a node.
const FANOUT: usize = 64;

/// Nodes with fewer children are joined with a neighbour if the two fit into three quarters of a node.
const SPARSE: usize = FANOUT / 4;

/// Paths are never longer: joining keeps nodes at sixteen children on average, and 16^12 is more than memory holds.
const HEIGHT_MAX: usize = 12;

/// What separates a chunk from the one before.
pub trait Bound: Clone {
    /// Bytes that it has allocated.
    fn heap_bytes(&self) -> usize {
        0
    }
}

impl Bound for () {}
impl Bound for u64 {}

/// See the module's doc.
#[derive(Clone, Debug)]
pub struct Spine<H, B> {
    root: Arc<Node<H, B>>,
    len: usize,
    bytes: usize,
}

/// Where a chunk is: the child to take at each level, beginning at the root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place([u8; HEIGHT_MAX]);

/// Three vectors of one length; apart, because a search reads only one of them.
#[derive(Debug)]
struct Node<H, B> {
    counts: Vec<usize>,
    bounds: Vec<B>,
    children: Vec<Child<H, B>>,
}

impl<H: Clone, B: Clone> Clone for Node<H, B> {
    fn clone(&self) -> Self {
        Node {
            counts: tight::clone(&self.counts),
            bounds: tight::clone(&self.bounds),
            children: tight::clone(&self.children),
        }
    }
}

#[derive(Clone, Debug)]
enum Child<H, B> {
    Node(Arc<Node<H, B>>),
    Chunk(H),
}

/// A child with what its parent knows of it.
struct Entry<H, B> {
    count: usize,
    bound: B,
    child: Child<H, B>,
}

impl<H: Clone, B: Bound> Spine<H, B> {
    /// With one chunk of `count` elements. `bound` is never looked at.
    pub fn new(handle: H, bound: B, count: usize) -> Self {
        let entry = Entry { count, bound, child: Child::Chunk(handle) };
        let root = Node { counts: vec![entry.count], bounds: vec![entry.bound], children: vec![entry.child] };
        let bytes = root.memory_bytes();
        Spine { root: Arc::new(root), len: count, bytes }
    }

    /// Are both clones of the same, and unchanged since?
    pub fn is_shared_with(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.root, &other.root)
    }

    /// The number of elements in all chunks.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is but one chunk.
    pub fn is_single(&self) -> bool {
        self.root.children.len() == 1
    }

    /// Bytes allocated, without the chunks.
    pub fn memory_bytes(&self) -> usize {
        self.bytes
    }

    /// The last chunk whose bound `is_below`, or the first chunk. The answers for ascending bounds must be true up to some
    /// bound and false from there on.
    pub fn find_by(&self, mut is_below: impl FnMut(&B) -> bool) -> Place {
        let mut place = Place::FIRST;
        let mut node = &*self.root;
        for step in &mut place.0 {
            let at = node.bounds[1..].partition_point(&mut is_below);
            *step = at as u8;
            match &node.children[at] {
                Child::Node(child) => node = child,
                Child::Chunk(_) => break,
            }
        }
        place
    }

    /// The chunk of the element at `rank`, and the element's position in it. A rank of [`Spine::len`] or above is a position
    /// after the last element of the last chunk.
    pub fn find_rank(&self, mut rank: usize) -> (Place, usize) {
        let mut place = Place::FIRST;
        let mut node = &*self.root;
        for step in &mut place.0 {
            let mut at = 0;
            while rank >= node.counts[at] && at + 1 < node.counts.len() {
                rank -= node.counts[at];
                at += 1;
            }
            *step = at as u8;
            match &node.children[at] {
                Child::Node(child) => node = child,
                Child::Chunk(_) => break,
            }
        }
        (place, rank)
    }

    /// How many elements are in the chunks before.
    pub fn rank(&self, place: &Place) -> usize {
        let mut node = &*self.root;
        let mut rank = 0;
        for step in place.0 {
            let at = usize::from(step);
            rank += node.counts[..at].iter().sum::<usize>();
            match &node.children[at] {
                Child::Node(child) => node = child,
                Child::Chunk(_) => break,
            }
        }
        rank
    }

    /// The handle of a chunk.
    pub fn handle(&self, place: &Place) -> &H {
        self.chunk(place).1
    }

    /// The bound of a chunk, and its handle.
    pub fn chunk(&self, place: &Place) -> (&B, &H) {
        let mut node = &*self.root;
        let mut depth = 0;
        loop {
            let at = place.at(depth);
            match &node.children[at] {
                Child::Node(child) => node = child,
                Child::Chunk(handle) => return (&node.bounds[at], handle),
            }
            depth += 1;
        }
    }

    /// The place of the next chunk.
    pub fn next(&self, place: &Place) -> Option<Place> {
        self.turn(place, |at, len| at + 1 < len, |at| at + 1, |_| 0)
    }

    /// The place of the chunk before.
    pub fn previous(&self, place: &Place) -> Option<Place> {
        self.turn(place, |at, _| at > 0, |at| at - 1, |len| len - 1)
    }

    /// The place of the first chunk.
    pub fn first(&self) -> Place {
        Place::FIRST
    }

    /// The place of the last chunk.
    pub fn last(&self) -> Place {
        self.find_by(|_| true)
    }

    /// The handle of a chunk for writing, the chunk's number of elements being changed by `delta`.
    pub fn edit(&mut self, place: &Place, delta: isize) -> &mut H {
        self.len = self.len.strict_add_signed(delta);
        let mut node = Arc::make_mut(&mut self.root);
        let mut depth = 0;
        loop {
            let at = place.at(depth);
            node.counts[at] = node.counts[at].strict_add_signed(delta);
            match &mut node.children[at] {
                Child::Node(child) => node = Arc::make_mut(child),
                Child::Chunk(handle) => return handle,
            }
            depth += 1;
        }
    }

    /// Adds a chunk of `count` elements after the one at `place`. All places change.
    pub fn insert_after(&mut self, place: &Place, bound: B, handle: H, count: usize) {
        // What grows at its ends only leaves full nodes behind. Elsewhere an uneven split could be made to
        // leave nodes of one child again and again.
        let edge = if *place == Place::FIRST && !self.is_single() {
            Edge::Start
        } else if *place == self.last() {
            Edge::End
        } else {
            Edge::None
        };
        let entry = Entry { count, bound, child: Child::Chunk(handle) };
        self.len += count;
        if let Some(right) = insert(&mut self.root, &place.0, edge, entry, &mut self.bytes) {
            let left = Child::Node(Arc::clone(&self.root));
            let root = Node {
                counts: vec![self.root.count(), right.count],
                // The first bound is not looked at.
                bounds: vec![right.bound.clone(), right.bound],
                children: vec![left, right.child],
            };
            self.bytes += root.memory_bytes();
            self.root = Arc::new(root);
        }
    }

    /// Removes a chunk, which must not be the only one, with what elements it is said to have. Its keys then belong to the
    /// chunk before, if there is one. All places change.
    pub fn remove(&mut self, place: &Place) -> H {
        assert!(!self.is_single() || matches!(self.root.children[0], Child::Node(_)), "one chunk stays");
        let (handle, count) = remove(&mut self.root, &place.0, &mut self.bytes);
        self.len -= count;
        collapse(&mut self.root, &mut self.bytes);
        handle
    }

    /// Parts the chunks before the one at `place`, which must not be the first: that one and all after it are given. The nodes on the
    /// way are parted, and those of the side with fewer elements are counted. All places change.
    pub fn split_off(&mut self, place: &Place) -> Self {
        assert!(*place != Place::FIRST, "one chunk stays");
        // Both sides' bytes are told apart last.
        let bytes = &mut self.bytes;
        let mut right = Arc::new(split(&mut self.root, &place.0, bytes));
        mend(&mut self.root, Edge::End, bytes);
        mend(&mut right, Edge::Start, bytes);
        collapse(&mut self.root, bytes);
        collapse(&mut right, bytes);
        let len = right.count();
        self.len -= len;
        let right_bytes =
            if len < self.len { right.tree_bytes() } else { self.bytes - self.root.tree_bytes() };
        self.bytes -= right_bytes;
        Spine { root: right, len, bytes: right_bytes }
    }

    /// Adds the chunks of another one, whose keys are all above its own and whose first bound is one. All places change.
    pub fn append(&mut self, other: Self) {
        self.len += other.len;
        self.bytes += other.bytes;
        let (left, right) = (self.root.height(), other.root.height());
        let bytes = &mut self.bytes;
        let (mut root, edge, depth, lower) = if left < right {
            (other.root, Edge::Start, right - left, std::mem::take(&mut self.root))
        } else {
            (std::mem::take(&mut self.root), Edge::End, left - right, other.root)
        };
        let split = match depth.checked_sub(1) {
            Some(depth) => attach(&mut root, depth, edge, Entry::of(lower), bytes),
            None => Some(Entry::of(lower)),
        };
        if let Some(split) = split {
            let mut both = Node::default();
            both.insert(0, Entry::of(root));
            both.insert(1, split);
            *bytes += both.memory_bytes();
            root = Arc::new(both);
            mend(&mut root, edge, bytes);
        }
        collapse(&mut root, bytes);
        self.root = root;
    }

    /// Shows all chunks, in order.
    pub fn visit<'a>(&'a self, mut visit: impl FnMut(&'a B, &'a H)) {
        self.root.visit(&mut visit);
    }

    /// The place that differs from `place` at the deepest level where `can` turn (given the index there and the number of
    /// children), `to` another index, and that below has the indexes that `inner` chooses of so many children.
    fn turn(
        &self,
        place: &Place,
        can: impl Fn(usize, usize) -> bool,
        to: impl Fn(usize) -> usize,
        inner: impl Fn(usize) -> usize,
    ) -> Option<Place> {
        let mut turn = None;
        let mut node = &*self.root;
        for depth in 0..HEIGHT_MAX {
            if can(place.at(depth), node.children.len()) {
                turn = Some((depth, node));
            }
            match &node.children[place.at(depth)] {
                Child::Node(child) => node = child,
                Child::Chunk(_) => break,
            }
        }
        let (depth, mut node) = turn?;
        let mut turned = *place;
        turned.0[depth] = to(place.at(depth)) as u8;
        for depth in depth..HEIGHT_MAX {
            match &node.children[turned.at(depth)] {
                Child::Node(child) => node = child,
                Child::Chunk(_) => break,
            }
            turned.0[depth + 1] = inner(node.children.len()) as u8;
        }
        Some(turned)
    }
}

impl Place {
    /// The first chunk's.
    pub const FIRST: Place = Place([0; HEIGHT_MAX]);

    fn at(&self, depth: usize) -> usize {
        usize::from(self.0[depth])
    }
}

/// Which end of the collection a chunk is added at.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Edge {
    Start,
    End,
    None,
}

impl<H, B> Default for Node<H, B> {
    fn default() -> Self {
        Node { counts: Vec::new(), bounds: Vec::new(), children: Vec::new() }
    }
}

impl<H: Clone, B: Bound> Entry<H, B> {
    fn of(node: Arc<Node<H, B>>) -> Self {
        Entry { count: node.count(), bound: node.bounds[0].clone(), child: Child::Node(node) }
    }
}

impl<H: Clone, B: Bound> Node<H, B> {
    fn count(&self) -> usize {
        self.counts.iter().sum()
    }

    fn height(&self) -> usize {
        match &self.children[0] {
            Child::Node(child) => 1 + child.height(),
            Child::Chunk(_) => 1,
        }
    }

    fn insert(&mut self, at: usize, entry: Entry<H, B>) {
        tight::insert(&mut self.counts, at, entry.count, FANOUT);
        tight::insert(&mut self.bounds, at, entry.bound, FANOUT);
        tight::insert(&mut self.children, at, entry.child, FANOUT);
    }

    fn remove(&mut self, at: usize) -> Entry<H, B> {
        let count = self.counts.remove(at);
        let bound = self.bounds.remove(at);
        let child = self.children.remove(at);
        tight::release(&mut self.counts);
        tight::release(&mut self.bounds);
        tight::release(&mut self.children);
        Entry { count, bound, child }
    }

    fn split_off(&mut self, at: usize) -> Self {
        let right = Node {
            counts: self.counts.split_off(at),
            bounds: self.bounds.split_off(at),
            children: self.children.split_off(at),
        };
        tight::release(&mut self.counts);
        tight::release(&mut self.bounds);
        tight::release(&mut self.children);
        right
    }

    /// Joins the child at `at`, which has become sparse, with a neighbour if both fit well into one.
    fn join(&mut self, at: usize, bytes: &mut usize) {
        let left = at.saturating_sub(1);
        let [Child::Node(a), Child::Node(b), ..] = &mut self.children[left..] else { return };
        if a.children.len() + b.children.len() > FANOUT * 3 / 4 {
            return;
        }
        *bytes -= a.memory_bytes() + b.memory_bytes();
        let right = self.remove(left + 1);
        let (Child::Node(a), Child::Node(b)) = (&mut self.children[left], right.child) else {
            unreachable!("siblings are at one height");
        };
        let (a, mut b) = (Arc::make_mut(a), Arc::unwrap_or_clone(b));
        tight::reserve(&mut a.counts, b.counts.len());
        a.counts.append(&mut b.counts);
        tight::reserve(&mut a.bounds, b.bounds.len());
        a.bounds.append(&mut b.bounds);
        tight::reserve(&mut a.children, b.children.len());
        a.children.append(&mut b.children);
        *bytes += a.memory_bytes();
        self.counts[left] += right.count;
    }

    fn visit<'a>(&'a self, visit: &mut impl FnMut(&'a B, &'a H)) {
        for (bound, child) in self.bounds.iter().zip(&self.children) {
            match child {
                Child::Node(child) => child.visit(visit),
                Child::Chunk(handle) => visit(bound, handle),
            }
        }
    }

    /// What this node and all below it take.
    fn tree_bytes(&self) -> usize {
        let below = |child: &Child<H, B>| match child {
            Child::Node(child) => child.tree_bytes(),
            Child::Chunk(_) => 0,
        };
        let below: usize = match self.children.first() {
            Some(Child::Node(_)) => self.children.iter().map(below).sum(),
            _ => 0,
        };
        self.memory_bytes() + below
    }

    fn memory_bytes(&self) -> usize {
        2 * size_of::<usize>()
            + size_of::<Self>()
            + self.counts.capacity() * size_of::<usize>()
            + self.bounds.capacity() * size_of::<B>()
            + self.bounds.iter().map(B::heap_bytes).sum::<usize>()
            + self.children.capacity() * size_of::<Child<H, B>>()
    }
}

/// Adds `entry` after the chunk that `path` leads to. If the node had to be split, its right half is returned.
fn insert<H: Clone, B: Bound>(
    node: &mut Arc<Node<H, B>>,
    path: &[u8],
    edge: Edge,
    mut entry: Entry<H, B>,
    bytes: &mut usize,
) -> Option<Entry<H, B>> {
    let node = Arc::make_mut(node);
    let at = usize::from(path[0]);
    if let Child::Node(child) = &mut node.children[at] {
        let added = insert(child, &path[1..], edge, entry, bytes);
        node.counts[at] = child.count();
        entry = added?;
    }
    *bytes -= node.memory_bytes();
    let mut right = None;
    if node.children.len() < FANOUT {
        node.insert(at + 1, entry);
    } else {
        let middle = match edge {
            Edge::Start => 1,
            Edge::End => FANOUT,
            Edge::None => FANOUT / 2,
        };
        let mut split = node.split_off(middle);
        if at < middle && edge != Edge::End {
            node.insert(at + 1, entry);
        } else {
            split.insert(at + 1 - middle, entry);
        }
        *bytes += split.memory_bytes();
        let (count, bound) = (split.count(), split.bounds[0].clone());
        right = Some(Entry { count, bound, child: Child::Node(Arc::new(split)) });
    }
    *bytes += node.memory_bytes();
    right
}

/// Removes the chunk that `path` leads to; gives its handle and its number of elements.
fn remove<H: Clone, B: Bound>(node: &mut Arc<Node<H, B>>, path: &[u8], bytes: &mut usize) -> (H, usize) {
    let node = Arc::make_mut(node);
    let at = usize::from(path[0]);
    *bytes -= node.memory_bytes();
    let removed = match &mut node.children[at] {
        Child::Node(child) => {
            let removed = remove(child, &path[1..], bytes);
            node.counts[at] -= removed.1;
            // What led to the removed chunk leads to the one before, into which it may have been joined.
            if path[1] == 0 && !child.children.is_empty() {
                node.bounds[at] = child.bounds[0].clone();
            }
            if child.children.is_empty() {
                *bytes -= child.memory_bytes();
                node.remove(at);
            } else if child.children.len() < SPARSE {
                node.join(at, bytes);
            }
            removed
        }
        Child::Chunk(handle) => {
            let handle = handle.clone();
            let entry = node.remove(at);
            (handle, entry.count)
        }
    };
    *bytes += node.memory_bytes();
    removed
}

/// Parts the chunks before the one that `path` leads to, and gives the nodes from there on. The node may be left without children.
fn split<H: Clone, B: Bound>(node: &mut Arc<Node<H, B>>, path: &[u8], bytes: &mut usize) -> Node<H, B> {
    let node = Arc::make_mut(node);
    let at = usize::from(path[0]);
    *bytes -= node.memory_bytes();
    let right = match &mut node.children[at] {
        Child::Chunk(_) => node.split_off(at),
        Child::Node(child) => {
            let inner = split(child, &path[1..], bytes);
            let (left_count, left_bytes, is_empty) =
                (child.count(), child.memory_bytes(), child.children.is_empty());
            let mut right = node.split_off(at + 1);
            let (count, bound) = (inner.count(), inner.bounds[0].clone());
            right.insert(0, Entry { count, bound, child: Child::Node(Arc::new(inner)) });
            if is_empty {
                *bytes -= left_bytes;
                node.remove(at);
            } else {
                node.counts[at] = left_count;
            }
            right
        }
    };
    *bytes += node.memory_bytes() + right.memory_bytes();
    right
}

/// Adds a node at an edge, so many levels below. If the node had to be split, its right half is returned.
fn attach<H: Clone, B: Bound>(
    node: &mut Arc<Node<H, B>>,
    depth: usize,
    edge: Edge,
    entry: Entry<H, B>,
    bytes: &mut usize,
) -> Option<Entry<H, B>> {
    let node = Arc::make_mut(node);
    *bytes -= node.memory_bytes();
    let is_start = edge == Edge::Start;
    let mut at = if is_start { 0 } else { node.children.len() };
    let mut added = Some(entry);
    if let Some(depth) = depth.checked_sub(1) {
        let below = if is_start { 0 } else { at - 1 };
        let Child::Node(child) = &mut node.children[below] else { unreachable!("it is not that deep") };
        added = added.and_then(|entry| attach(child, depth, edge, entry, bytes));
        node.counts[below] = child.count();
        if is_start {
            node.bounds[below] = child.bounds[0].clone();
        }
        at = below + 1;
    }
    let mut right = None;
    if let Some(entry) = added {
        let mut split = (node.children.len() == FANOUT).then(|| node.split_off(FANOUT / 2));
        match &mut split {
            Some(split) if at > FANOUT / 2 => {
                split.insert(at - FANOUT / 2, entry);
                split.join(at - FANOUT / 2, bytes);
            }
            _ => {
                node.insert(at, entry);
                node.join(at, bytes);
            }
        }
        right = split.map(|split| {
            *bytes += split.memory_bytes();
            Entry::of(Arc::new(split))
        });
    }
    *bytes += node.memory_bytes();
    right
}

/// Joins the nodes at an edge that parting has left sparse with their neighbours.
fn mend<H: Clone, B: Bound>(node: &mut Arc<Node<H, B>>, edge: Edge, bytes: &mut usize) {
    let node = Arc::make_mut(node);
    let at = if edge == Edge::Start { 0 } else { node.children.len() - 1 };
    let Child::Node(child) = &mut node.children[at] else { return };
    mend(child, edge, bytes);
    if child.children.len() < SPARSE {
        *bytes -= node.memory_bytes();
        node.join(at, bytes);
        *bytes += node.memory_bytes();
    }
}

/// A root of one node is of no use.
fn collapse<H: Clone, B: Bound>(root: &mut Arc<Node<H, B>>, bytes: &mut usize) {
    while let [Child::Node(child)] = root.children.as_slice() {
        *bytes -= root.memory_bytes();
        *root = Arc::clone(child);
    }
}

#[cfg(test)]
mod tests;
