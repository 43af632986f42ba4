//! Byte-pair encoding: word pieces learnt from the text itself.
//!
//! The vocabulary begins with the 256 bytes, so any text can be encoded. Each further piece joins
//! the pair of pieces that is then the most frequent within words (ties: the smallest pair), so
//! the same text always gives the same vocabulary.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap, HashMap};

/// A piece of a word: its place in the vocabulary.
pub(crate) type Token = u32;

type Pair = (Token, Token);

/// The pieces of a vocabulary.
#[derive(Debug)]
pub(crate) struct Tokenizer {
    /// What a pair of pieces becomes; the lower, the earlier it was learnt.
    merges: HashMap<Pair, Token>,
}

const BYTES: Token = 256;

impl Tokenizer {
    /// Learns at most `size` pieces; fewer where no pair of them occurs twice any more.
    pub(crate) fn learn(texts: &[String], size: usize) -> Self {
        let mut counts: HashMap<&str, i64> = HashMap::new();
        for word in texts.iter().flat_map(|text| words(text)) {
            *counts.entry(word).or_default() += 1;
        }
        let mut lexicon: Vec<(Vec<Token>, i64)> =
            counts.into_iter().map(|(word, count)| (bytes(word).collect(), count)).collect();

        let mut pairs = Pairs::default();
        for (at, (pieces, count)) in lexicon.iter().enumerate() {
            pairs.count(pieces, *count);
            neighbours(pieces).for_each(|pair| pairs.place(pair, at));
        }
        let mut queue: BinaryHeap<(i64, Reverse<Pair>)> =
            pairs.counts.iter().map(|(&pair, &count)| (count, Reverse(pair))).collect();

        let mut merges = HashMap::new();
        let mut next = BYTES;
        while (next as usize) < size
            && let Some((count, Reverse(pair))) = queue.pop()
        {
            let now = pairs.counts.get(&pair).copied().unwrap_or(0);
            if now < 2 {
                continue;
            }
            if now != count {
                // Counted anew: back to its place in the queue.
                queue.push((now, Reverse(pair)));
                continue;
            }
            merges.insert(pair, next);
            let mut new = BTreeSet::new();
            for at in pairs.places.remove(&pair).unwrap_or_default() {
                let (pieces, count) = &mut lexicon[at];
                pairs.count(pieces, -*count);
                join(pieces, pair, next);
                pairs.count(pieces, *count);
                for pair in neighbours(pieces).filter(|&(a, b)| a == next || b == next) {
                    pairs.place(pair, at);
                    new.insert(pair);
                }
            }
            queue.extend(new.into_iter().map(|pair| (pairs.counts[&pair], Reverse(pair))));
            next += 1;
        }
        Self { merges }
    }

    /// Pieces in the vocabulary.
    pub(crate) fn size(&self) -> usize {
        BYTES as usize + self.merges.len()
    }

    /// The pieces of a text.
    pub(crate) fn encode(&self, texts: &[String]) -> Vec<Token> {
        let mut known: HashMap<&str, Vec<Token>> = HashMap::new();
        let mut tokens = Vec::new();
        for word in texts.iter().flat_map(|text| words(text)) {
            tokens.extend_from_slice(known.entry(word).or_insert_with(|| self.pieces(word)));
        }
        tokens
    }

    /// The pieces of one word: its bytes, joined in the order in which the pairs were learnt.
    fn pieces(&self, word: &str) -> Vec<Token> {
        let mut pieces: Vec<Token> = bytes(word).collect();
        loop {
            let known = neighbours(&pieces)
                .filter_map(|pair| self.merges.get(&pair).map(|&joined| (joined, pair)));
            let Some((joined, pair)) = known.min() else { return pieces };
            join(&mut pieces, pair, joined);
        }
    }
}

/// How often each pair of neighbours occurs, and in which words (and, it may be, in which it did
/// before they were joined).
#[derive(Default)]
struct Pairs {
    counts: HashMap<Pair, i64>,
    places: HashMap<Pair, Vec<usize>>,
}

impl Pairs {
    /// Counts the pairs of a word; a negative count takes them away.
    fn count(&mut self, pieces: &[Token], count: i64) {
        for pair in neighbours(pieces) {
            *self.counts.entry(pair).or_default() += count;
        }
    }

    /// Notes that word `at` has this pair.
    fn place(&mut self, pair: Pair, at: usize) {
        let places = self.places.entry(pair).or_default();
        if places.last() != Some(&at) {
            places.push(at);
        }
    }
}

fn neighbours(pieces: &[Token]) -> impl Iterator<Item = Pair> {
    pieces.windows(2).map(|pair| (pair[0], pair[1]))
}

/// Replaces every occurrence of a pair by one piece.
fn join(pieces: &mut Vec<Token>, pair: Pair, joined: Token) {
    let (mut from, mut to) = (0, 0);
    while from < pieces.len() {
        let both = from + 1 < pieces.len() && (pieces[from], pieces[from + 1]) == pair;
        pieces[to] = if both { joined } else { pieces[from] };
        from += if both { 2 } else { 1 };
        to += 1;
    }
    pieces.truncate(to);
}

fn bytes(word: &str) -> impl Iterator<Item = Token> {
    word.bytes().map(Token::from)
}

/// Cuts a text into words, which pieces never cross: runs of letters and digits with the blank
/// before them, runs of white space, runs of anything else.
fn words(text: &str) -> impl Iterator<Item = &str> {
    #[derive(PartialEq, Eq)]
    enum Kind {
        Letters,
        Space,
        Other,
    }
    let kind = |c: char| match c {
        _ if c.is_alphanumeric() || c == '_' => Kind::Letters,
        _ if c.is_whitespace() => Kind::Space,
        _ => Kind::Other,
    };
    let mut rest = text;
    std::iter::from_fn(move || {
        let first = rest.chars().next()?;
        let blank = usize::from(first == ' ');
        let is_word = rest[blank..].chars().next().is_some_and(|c| kind(c) == Kind::Letters);
        let (from, wanted) = if is_word { (blank, Kind::Letters) } else { (0, kind(first)) };
        let mut end = rest[from..].find(|c| kind(c) != wanted).map_or(rest.len(), |i| from + i);
        let letters_follow = rest[end..].chars().next().is_some_and(|c| kind(c) == Kind::Letters);
        if wanted == Kind::Space && letters_follow && end > 1 && rest[..end].ends_with(' ') {
            // The last blank belongs to the word that follows.
            end -= 1;
        }
        let (word, tail) = rest.split_at(end);
        rest = tail;
        Some(word)
    })
}
