//! Workloads that allocate as programs do: while they work on something.

use std::collections::{BTreeMap, HashMap};
use std::hint::black_box;

use serde::{Deserialize, Serialize};

use crate::Random;

#[inline(never)]
pub(crate) fn vec_growth(operations: u64) -> u64 {
    const LEN: u64 = (64 << 10) / 8;
    let vectors = operations.div_ceil(LEN);
    for vector in 0..vectors {
        let mut numbers = Vec::new();
        for number in 0..LEN {
            numbers.push(number ^ vector);
        }
        black_box(numbers);
    }
    vectors * LEN
}

#[inline(never)]
pub(crate) fn btree_map(operations: u64) -> u64 {
    const LEN: u64 = 4096;
    let mut random = Random::new();
    let mut map = BTreeMap::new();
    let mut keys = Vec::new();
    for _ in 0..LEN {
        let key = random.next();
        keys.push(key);
        map.insert(key, value(key));
    }
    for at in 0..operations {
        let key = random.next();
        map.insert(key, value(key));
        let oldest = std::mem::replace(&mut keys[(at % LEN) as usize], key);
        black_box(map.remove(&oldest));
    }
    black_box(map);
    operations
}

fn value(key: u64) -> Vec<u8> {
    let mut value = vec![0; 16 + key as usize % 48];
    value[..8].copy_from_slice(&key.to_le_bytes());
    value
}

#[inline(never)]
pub(crate) fn strings(operations: u64) -> u64 {
    const LEN: u64 = 2_000;
    let texts = operations.div_ceil(LEN);
    let mut random = Random::new();
    for _ in 0..texts {
        let mut words: Vec<String> = (0..LEN)
            .map(|_| {
                let random = random.next();
                format!("/region/{}/image-{:x}", random % 7, random >> 40)
            })
            .collect();
        words.sort();
        let text = words.join(" ");
        let mut counts = HashMap::<String, u32>::new();
        for word in text.split(' ') {
            let folder = word.rsplit_once('/').map_or(word, |(folder, _)| folder);
            *counts.entry(folder.to_owned()).or_default() += 1;
        }
        black_box((words, counts));
    }
    texts * LEN
}

/// What a service of today passes around.
#[derive(Debug, Deserialize, Serialize)]
struct Image {
    id: String,
    name: String,
    description: Option<String>,
    size_bytes: u64,
    architectures: Vec<String>,
    tags: BTreeMap<String, String>,
}

impl Image {
    fn new(random: &mut Random) -> Self {
        let number = random.next();
        Self {
            id: format!("ami-{number:016x}"),
            name: format!("linux \"stable\" {}", number % 1_000),
            description: number
                .is_multiple_of(3)
                .then(|| "Built weekly.\nNo support.".into()),
            size_bytes: number >> 20,
            architectures: vec!["x86_64".into(), "arm64".into()],
            tags: (0..number % 5)
                .map(|tag| (format!("tag-{tag}"), format!("value {}", number >> tag)))
                .collect(),
        }
    }
}

#[inline(never)]
pub(crate) fn json(operations: u64) -> u64 {
    let mut random = Random::new();
    let images: Vec<_> = (0..80).map(|_| Image::new(&mut random)).collect();
    let text = serde_json::to_string(&images).expect("it can be written");
    for _ in 0..operations {
        let images: Vec<Image> = serde_json::from_str(black_box(&text)).expect("it was written");
        let any: serde_json::Value =
            serde_json::from_str(black_box(&text)).expect("it was written");
        black_box(serde_json::to_string(&images).expect("it can be written"));
        black_box(any.to_string());
    }
    operations
}
