//! A random script of commands, done to a stream as a server of version 7.0 does it: there, a consumer that gets nothing is not created.

use super::*;

const FNV: u64 = 0xcbf2_9ce4_8422_2325;
const CONSUMERS: [&[u8]; 4] = [b"alice", b"bob", b"carol", b"d\xe9"];
const NAMES: [&[u8]; 4] = [b"a", b"field", b"12", b"temperature"];

/// A stream under test, with the digest of all that it replied.
pub(super) struct Script {
    stream: Stream,
    random: Random,
    limits: Limits,
    /// The ids ever added, for picking.
    added: Vec<StreamId>,
    pub(super) digest: u64,
}

impl Script {
    pub(super) fn new(seed: u64, limits: Limits) -> Self {
        let mut stream = Stream::default();
        for name in [&b"g1"[..], b"a"] {
            stream.groups.create(name, StreamId::MIN, None).unwrap();
        }
        Self { stream, random: Random::new(seed), limits, added: Vec::new(), digest: FNV }
    }

    /// One command, and all that can be asked about the stream afterwards.
    pub(super) fn step(&mut self) {
        let reply = match self.random.below(100) {
            0..50 => self.xadd(),
            50..58 => {
                let (first, second) = (self.pick(), self.pick());
                let entries = &mut self.stream.entries;
                number(usize::from(entries.delete(first)) + usize::from(entries.delete(second)))
            }
            58..66 => self.xtrim(),
            66..72 => self.xrange(),
            72..80 => self.xreadgroup(),
            80..84 => self.xreadgroup_history(),
            84..88 => {
                let ids = [self.pick(), self.pick(), self.pick()];
                let mut group = self.group();
                number(ids.into_iter().filter(|id| group.acknowledge(*id)).count())
            }
            88..92 => self.xclaim(),
            92..95 => self.xautoclaim(),
            95..97 => {
                (self.group().last_id, self.group().entries_read) = (self.pick(), None);
                b"OK".to_vec()
            }
            97 => {
                let consumer = self.consumer();
                number(self.group().remove(consumer).map_or(0, |(len, _)| len))
            }
            98 => {
                let consumer = self.consumer();
                number(usize::from(self.group().create(consumer, NOW).is_some()))
            }
            _ => {
                let (at, added) = (self.pick(), self.random.below(200) as u64);
                let at = id(at.ms + self.random.below(30) as u64, at.seq);
                let result = self.stream.entries.set_last_id(at, Some(added), None);
                result.map_or(b"-".to_vec(), |()| b"OK".to_vec())
            }
        };
        self.note(&reply);
        self.note_state();
    }

    fn xadd(&mut self) -> Vec<u8> {
        let last = self.stream.entries.last_id();
        let ms = last.ms + self.random.below(3) as u64;
        let new = if self.random.below(3) == 0 {
            NewId::Ms(ms)
        } else {
            let least = if ms == last.ms { last.seq } else { 0 };
            NewId::Exact(id(ms, self.random.below(4) as u64 + least))
        };
        let mut pairs = Vec::new();
        for index in 0..1 + self.random.below(3) {
            let name = if self.random.below(5) == 0 { self.random.below(4) } else { index };
            pairs.push(NAMES[name].to_vec());
            pairs.push(match self.random.below(4) {
                0 => (self.random.below(100_000) as i64 - 50_000).to_string().into_bytes(),
                1 => vec![b's'; self.random.below(30)],
                2 => number(self.random.below(1 << 40) << self.random.below(20)),
                _ => format!("v{index}").into_bytes(),
            });
        }
        let pairs: Vec<&[u8]> = pairs.iter().map(Vec::as_slice).collect();
        let entries = &mut self.stream.entries;
        let Ok(id) = entries.next_id(new, NOW) else { return b"-".to_vec() };
        entries.add(id, &pairs, &self.limits).unwrap();
        self.added.push(id);
        id.text().as_bytes().to_vec()
    }

    fn xtrim(&mut self) -> Vec<u8> {
        let is_approximate = self.random.below(2) == 1;
        let by_id = self.random.below(2) == 1;
        let limit = self.random.below(3) as u64;
        let bound = if by_id { Bound::Id(self.pick()) } else { Bound::Len(self.random.below(60) as u64) };
        let limit = match (is_approximate, limit) {
            (false, _) => 0,
            (true, 0) => Trim::default_limit(self.limits.node_max_entries),
            (true, limit) => (limit - 1) * 7,
        };
        number(self.stream.entries.trim(&Trim { bound, is_approximate, limit }).count as usize)
    }

    fn xrange(&mut self) -> Vec<u8> {
        let (start, end) = (self.pick(), self.pick());
        let count = 1 + self.random.below(20);
        let entries = &self.stream.entries;
        let mut out = Vec::new();
        entries.range(start, end).for_each(|entry| push_entry(&mut out, &entry));
        entries.range_rev(end, start).take(count).for_each(|entry| push_entry(&mut out, &entry));
        let all = entries.range_rev(StreamId::MAX, StreamId::MIN);
        all.take(count).for_each(|entry| push_entry(&mut out, &entry));
        out
    }

    fn xreadgroup(&mut self) -> Vec<u8> {
        let (consumer, count) = (self.consumer(), 1 + self.random.below(5));
        let noack = self.random.below(6) == 0;
        let mut group = self.stream.groups.get_mut(b"g1").unwrap();
        let mut out = Vec::new();
        if self.stream.entries.top_id().is_some_and(|top| top > group.last_id) {
            let (consumer, _) = group.visit(consumer, NOW);
            let visit = |entry: &Entry<'_>| push_entry(&mut out, entry);
            group.read_new(&self.stream.entries, consumer, count, noack, NOW, visit);
        }
        out
    }

    fn xreadgroup_history(&mut self) -> Vec<u8> {
        let (consumer, count) = (self.consumer(), 1 + self.random.below(5));
        let start = self.pick().next().unwrap();
        let mut group = self.stream.groups.get_mut(b"g1").unwrap();
        let (consumer, _) = group.visit(consumer, NOW);
        let mut out = Vec::new();
        group.read_pending(&self.stream.entries, consumer, start, count, NOW, |id, entry| match entry {
            Some(entry) => push_entry(&mut out, entry),
            None => out.extend_from_slice(format!("{id} gone;").as_bytes()),
        });
        out
    }

    fn xclaim(&mut self) -> Vec<u8> {
        let ids = [self.pick(), self.pick()];
        let name = self.consumer();
        let flags = self.random.below(4);
        let deliveries = (self.random.below(3) == 0).then(|| self.random.below(10) as u64);
        let (force, just_id) = (flags & 1 > 0, flags & 2 > 0);
        let claim = Claim { min_idle_ms: 0, delivered: NOW, deliveries, force, just_id };
        let mut group = self.stream.groups.get_mut(b"g1").unwrap();
        let (consumer, created) = group.visit(name, NOW);
        let mut out = Vec::new();
        for id in ids {
            if group.claim(&self.stream.entries, consumer, id, &claim, NOW) == Claimed::Yes {
                push_claimed(&mut out, &self.stream.entries.get(id).unwrap(), just_id);
            }
        }
        if created && out.is_empty() {
            group.remove(name);
        }
        out
    }

    fn xautoclaim(&mut self) -> Vec<u8> {
        let name = self.consumer();
        let (start, count) = (self.pick(), 1 + self.random.below(6));
        let just_id = self.random.below(2) == 1;
        let options = AutoClaim { start, count, min_idle_ms: 0, just_id };
        let mut group = self.stream.groups.get_mut(b"g1").unwrap();
        let (consumer, created) = group.visit(name, NOW);
        let mut out = Vec::new();
        let visit = |entry: &Entry<'_>, _: &Pending| push_claimed(&mut out, entry, just_id);
        let result = group.auto_claim(&self.stream.entries, consumer, &options, NOW, visit);
        if created && out.is_empty() {
            group.remove(name);
        }
        let gone: String = result.gone.iter().map(|id| format!("{id},")).collect();
        [result.next.text().as_bytes(), b"|", &out, b"|", gone.as_bytes()].concat()
    }

    /// XINFO, XPENDING and DUMP.
    fn note_state(&mut self) {
        let entries = &self.stream.entries;
        let (keys, nodes) = (entries.radix_tree_keys(), entries.radix_tree_nodes());
        let (last, deleted, first) = (entries.last_id(), entries.max_deleted_id(), entries.first_id());
        let (len, added) = (entries.len(), entries.added());
        let mut out = format!("|{len} {keys} {nodes} {last} {deleted} {added} {first}|").into_bytes();
        let ends = [
            entries.range(EVERYTHING.0, EVERYTHING.1).next(),
            entries.range_rev(EVERYTHING.1, EVERYTHING.0).next(),
        ];
        for end in ends {
            match end {
                Some(entry) => push_entry(&mut out, &entry),
                None => out.extend_from_slice(b"nil;"),
            }
        }
        for (name, group) in self.stream.groups.iter() {
            let numbers = format!(" {} {} {} ", group.consumers_len(), group.pending_len(), group.last_id);
            out.extend([name, numbers.as_bytes()].concat());
        }
        let start = self.pick();
        let group = self.stream.groups.get(b"g1").unwrap();
        for (_, consumer) in group.consumers() {
            out.extend([consumer.name(), format!(" {} ", consumer.pending_len()).as_bytes()].concat());
        }
        let mut push = |(id, pending): (StreamId, &Pending)| {
            let name = group.consumer(pending.consumer()).name();
            let deliveries = format!(" {},", pending.deliveries);
            out.extend([format!("{id} ").as_bytes(), name, deliveries.as_bytes()].concat());
        };
        group.pending_between(EVERYTHING.0, EVERYTHING.1, None).for_each(&mut push);
        if let Some(bob) = group.find(b"bob") {
            group.pending_between(start, StreamId::MAX, Some(bob)).take(3).for_each(&mut push);
        }
        for (master, block) in self.stream.entries.blocks() {
            out.extend(master.ms.to_be_bytes());
            out.extend(master.seq.to_be_bytes());
            out.extend_from_slice(block.as_bytes());
        }
        self.note(&out);
    }

    fn group(&mut self) -> GroupMut<'_> {
        self.stream.groups.get_mut(b"g1").unwrap()
    }

    fn consumer(&mut self) -> &'static [u8] {
        CONSUMERS[self.random.below(4)]
    }

    fn pick(&mut self) -> StreamId {
        match self.added.len() {
            0 => id(0, 1),
            len => self.added[self.random.below(len)],
        }
    }

    fn note(&mut self, bytes: &[u8]) {
        let digest = |digest: u64, byte: &u8| (digest ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3);
        self.digest = bytes.iter().fold(self.digest, digest);
    }
}

fn number(number: usize) -> Vec<u8> {
    number.to_string().into_bytes()
}

fn push_entry(out: &mut Vec<u8>, entry: &Entry<'_>) {
    out.extend_from_slice(entry.id.text().as_bytes());
    for text in entry.fields().flat_map(|(name, value)| [name, value]) {
        out.push(b' ');
        out.extend(text.to_vec());
    }
    out.push(b';');
}

fn push_claimed(out: &mut Vec<u8>, entry: &Entry<'_>, just_id: bool) {
    if just_id {
        out.extend_from_slice(format!("{},", entry.id).as_bytes());
    } else {
        push_entry(out, entry);
    }
}
