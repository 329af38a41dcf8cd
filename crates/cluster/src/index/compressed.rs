//! Objects as few bytes, for an index that has many and looks at each of them seldom.
//!
//! Objects of one type are much alike: field names, conditions and messages, a template's mounts. What an object has in
//! common with samples of its type is kept once, in a dictionary, and of each object only the difference (LZ4).

use std::marker::PhantomData;
use std::sync::Arc;

use lz4_flex::block::{compress_prepend_size_with_dict, decompress_size_prepended_with_dict};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tracing::error;

/// How many samples a dictionary has at most. After that it stays as it is, so dictionaries that packed objects still
/// refer to are no more than this.
const SAMPLES: usize = 16;
/// How long it is at most, in bytes: all of it is gone through for each object that is packed.
const LENGTH: usize = 32 * 1024;

/// Packs the objects of one type.
pub(crate) struct Packer<T> {
    dictionary: Arc<Vec<u8>>,
    samples: usize,
    of: PhantomData<fn() -> T>,
}

/// A packed object.
#[derive(Debug)]
pub(crate) enum Packed<T> {
    /// The difference to the dictionary.
    Small { bytes: Box<[u8]>, dictionary: Arc<Vec<u8>> },
    /// One that would not come out as it went in: a field that is never on the wire is set.
    Whole(Arc<T>),
}

impl<T> Default for Packer<T> {
    fn default() -> Self {
        Self { dictionary: Arc::default(), samples: 0, of: PhantomData }
    }
}

impl<T: Serialize + DeserializeOwned + PartialEq> Packer<T> {
    /// Packs an object.
    pub(crate) fn pack(&mut self, object: Arc<T>) -> Packed<T> {
        let Ok(plain) = rmp_serde::to_vec_named(&*object) else { return Packed::Whole(object) };
        let mut packed = self.small(&plain);
        if packed.len() > plain.len() / 2 && self.learn(&plain) {
            packed = self.small(&plain);
        }
        let packed = Packed::Small { bytes: packed.into_boxed_slice(), dictionary: Arc::clone(&self.dictionary) };
        if packed.try_open().is_some_and(|opened| opened == *object) { packed } else { Packed::Whole(object) }
    }

    fn small(&self, plain: &[u8]) -> Vec<u8> {
        compress_prepend_size_with_dict(plain, &self.dictionary)
    }

    /// Adds a sample to the dictionary, if there is room for it.
    fn learn(&mut self, plain: &[u8]) -> bool {
        let has_room = self.samples < SAMPLES && self.dictionary.len() + plain.len() <= LENGTH;
        if has_room {
            self.samples += 1;
            self.dictionary = Arc::new([&self.dictionary, plain].concat());
        }
        has_room
    }
}

impl<T: DeserializeOwned> Packed<T> {
    /// The object. `None` never comes: packing has seen that these bytes can be read.
    pub(crate) fn open(&self) -> Option<Arc<T>> {
        if let Self::Whole(object) = self {
            return Some(Arc::clone(object));
        }
        let opened = self.try_open();
        if opened.is_none() {
            error!(kind = std::any::type_name::<T>(), "an object that was packed cannot be read again");
        }
        opened.map(Arc::new)
    }

    fn try_open(&self) -> Option<T> {
        let Self::Small { bytes, dictionary } = self else { return None };
        rmp_serde::from_slice(&decompress_size_prepended_with_dict(bytes, dictionary).ok()?).ok()
    }
}

impl<T: PartialEq> PartialEq for Packed<T> {
    /// Whether they are the same for sure. Of what was packed with different dictionaries this cannot be told.
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Small { bytes, dictionary }, Self::Small { bytes: others, dictionary: its }) => {
                bytes == others && Arc::ptr_eq(dictionary, its)
            }
            (Self::Whole(object), Self::Whole(other)) => object == other,
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    struct Note {
        title: String,
        text: String,
        #[serde(skip)]
        aside: Option<String>,
    }

    fn note(number: usize) -> Arc<Note> {
        let text = "what all of them say, at some length, and in the same words each time".to_owned();
        Arc::new(Note { title: format!("note {number}"), text, aside: None })
    }

    /// Of which no two are alike.
    fn odd_one(number: u64) -> Arc<Note> {
        let mut state = number + 1;
        let letter = |_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            char::from(b'!' + u8::try_from((state >> 33) % 90).unwrap())
        };
        Arc::new(Note { title: String::new(), text: (0..400).map(letter).collect(), aside: None })
    }

    fn size(packed: &Packed<Note>) -> usize {
        let Packed::Small { bytes, .. } = packed else { panic!("{packed:?}") };
        bytes.len()
    }

    #[test]
    fn of_alike_objects_only_the_difference_is_kept() {
        let mut packer = Packer::default();
        let kept: Vec<_> = (0..100).map(|number| packer.pack(note(number))).collect();
        assert!(kept.iter().all(|it| size(it) < 30), "{kept:?}");
        for (number, packed) in kept.iter().enumerate() {
            assert_eq!(packed.open(), Some(note(number)));
        }
    }

    #[test]
    fn a_dictionary_takes_few_samples_and_what_is_unlike_all_of_them_comes_out_as_well() {
        let mut packer = Packer::default();
        let kept: Vec<_> = (0..200).map(|number| packer.pack(odd_one(number))).collect();
        assert_eq!(packer.samples, SAMPLES);
        for (number, packed) in (0..).zip(&kept) {
            assert_eq!(packed.open(), Some(odd_one(number)));
        }
        let huge = Arc::new(Note { text: "x".repeat(2 * LENGTH), ..(*note(1)).clone() });
        assert_eq!(packer.pack(Arc::clone(&huge)).open(), Some(huge));
    }

    #[test]
    fn what_would_come_out_otherwise_is_kept_whole() {
        let mut packer = Packer::default();
        let noted = Arc::new(Note { aside: Some("never on the wire".into()), ..(*note(1)).clone() });
        let kept = packer.pack(Arc::clone(&noted));
        assert!(matches!(kept, Packed::Whole(_)));
        assert_eq!(kept.open(), Some(noted));
    }

    #[test]
    fn the_same_object_is_packed_in_the_same_way() {
        let mut packer = Packer::default();
        let first = packer.pack(note(1));
        assert_eq!(first, packer.pack(note(1)));
        assert_ne!(first, packer.pack(note(2)));
    }
}
