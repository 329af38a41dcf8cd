//! Compressed objects, for an index that holds many objects and rarely reads each of them.
//!
//! Objects of one type share much of their text: field names, conditions and messages, volume
//! mounts. A dictionary holds the content of a few samples of the type. Each object stores only its
//! difference from the dictionary (LZ4).

use std::marker::PhantomData;
use std::sync::Arc;

use lz4_flex::block::{compress_prepend_size_with_dict, decompress_size_prepended_with_dict};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tracing::error;

/// Most samples of a dictionary. A full dictionary no longer changes, so compressed objects refer
/// to at most this many versions of it.
const SAMPLES: usize = 16;
/// Longest dictionary, in bytes: LZ4 reads all of it for each object.
const LENGTH: usize = 32 * 1024;

/// Compresses the objects of one type.
pub(crate) struct Compressor<T> {
    dictionary: Arc<Vec<u8>>,
    samples: usize,
    of: PhantomData<fn() -> T>,
}

/// A compressed object.
#[derive(Debug)]
pub(crate) enum Compressed<T> {
    /// The difference from the dictionary.
    Small { bytes: Box<[u8]>, dictionary: Arc<Vec<u8>> },
    /// An object that would not survive the round trip, because a field is set that is never
    /// serialized.
    Whole(Arc<T>),
}

impl<T> Default for Compressor<T> {
    fn default() -> Self {
        Self { dictionary: Arc::default(), samples: 0, of: PhantomData }
    }
}

impl<T: Serialize + DeserializeOwned + PartialEq> Compressor<T> {
    /// The compressed object that has the same content, or else the object, compressed.
    pub(crate) fn compress_unless_known(&mut self, object: Arc<T>, known: &[Arc<Compressed<T>>]) -> Arc<Compressed<T>> {
        let Ok(plain) = rmp_serde::to_vec_named(&*object) else { return Arc::new(Compressed::Whole(object)) };
        if let Some(known) = known.iter().find(|known| known.is(&plain, &object)) {
            return Arc::clone(known);
        }
        Arc::new(self.compress_plain(&plain, object))
    }

    /// Compresses an object.
    pub(crate) fn compress(&mut self, object: Arc<T>) -> Compressed<T> {
        match rmp_serde::to_vec_named(&*object) {
            Ok(plain) => self.compress_plain(&plain, object),
            Err(_) => Compressed::Whole(object),
        }
    }

    fn compress_plain(&mut self, plain: &[u8], object: Arc<T>) -> Compressed<T> {
        let mut bytes = self.difference(plain);
        if bytes.len() > plain.len() / 2 && self.learn(plain) {
            bytes = self.difference(plain);
        }
        let compressed =
            Compressed::Small { bytes: bytes.into_boxed_slice(), dictionary: Arc::clone(&self.dictionary) };
        if compressed.try_decompress().is_some_and(|decompressed| decompressed == *object) {
            compressed
        } else {
            Compressed::Whole(object)
        }
    }

    fn difference(&self, plain: &[u8]) -> Vec<u8> {
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

impl<T: DeserializeOwned> Compressed<T> {
    /// The object. Never `None`: compressing has checked that these bytes can be read.
    pub(crate) fn decompress(&self) -> Option<Arc<T>> {
        if let Self::Whole(object) = self {
            return Some(Arc::clone(object));
        }
        let decompressed = self.try_decompress();
        if decompressed.is_none() {
            error!(kind = std::any::type_name::<T>(), "a compressed object cannot be read again");
        }
        decompressed.map(Arc::new)
    }

    fn try_decompress(&self) -> Option<T> {
        let Self::Small { bytes, dictionary } = self else { return None };
        rmp_serde::from_slice(&decompress_size_prepended_with_dict(bytes, dictionary).ok()?).ok()
    }

    /// Whether this is the object, whose uncompressed bytes are `plain`. Decoding is not necessary:
    /// these bytes were decoded and compared when they were compressed.
    fn is(&self, plain: &[u8], object: &Arc<T>) -> bool
    where
        T: PartialEq,
    {
        match self {
            Self::Small { bytes, dictionary } => {
                // The size precedes the compressed bytes.
                let size = bytes.first_chunk().map(|size| u32::from_le_bytes(*size) as usize);
                size == Some(plain.len())
                    && decompress_size_prepended_with_dict(bytes, dictionary).is_ok_and(|known| known == plain)
            }
            Self::Whole(known) => known == object,
        }
    }
}

impl<T: PartialEq> PartialEq for Compressed<T> {
    /// Whether both are certainly the same. Objects with different dictionaries count as different.
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

    /// A note that shares no text with the others.
    fn odd_one(number: u64) -> Arc<Note> {
        let mut state = number + 1;
        let letter = |_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            char::from(b'!' + u8::try_from((state >> 33) % 90).unwrap())
        };
        Arc::new(Note { title: String::new(), text: (0..400).map(letter).collect(), aside: None })
    }

    fn size(compressed: &Compressed<Note>) -> usize {
        let Compressed::Small { bytes, .. } = compressed else { panic!("{compressed:?}") };
        bytes.len()
    }

    #[test]
    fn of_alike_objects_only_the_difference_is_kept() {
        let mut compressor = Compressor::default();
        let kept: Vec<_> = (0..100).map(|number| compressor.compress(note(number))).collect();
        assert!(kept.iter().all(|it| size(it) < 30), "{kept:?}");
        for (number, compressed) in kept.iter().enumerate() {
            assert_eq!(compressed.decompress(), Some(note(number)));
        }
    }

    #[test]
    fn a_dictionary_takes_few_samples_and_what_is_unlike_all_of_them_comes_out_as_well() {
        let mut compressor = Compressor::default();
        let kept: Vec<_> = (0..200).map(|number| compressor.compress(odd_one(number))).collect();
        assert_eq!(compressor.samples, SAMPLES);
        for (number, compressed) in (0..).zip(&kept) {
            assert_eq!(compressed.decompress(), Some(odd_one(number)));
        }
        let huge = Arc::new(Note { text: "x".repeat(2 * LENGTH), ..(*note(1)).clone() });
        assert_eq!(compressor.compress(Arc::clone(&huge)).decompress(), Some(huge));
    }

    #[test]
    fn what_would_not_survive_the_round_trip_is_kept_whole() {
        let mut compressor = Compressor::default();
        let noted = Arc::new(Note { aside: Some("never on the wire".into()), ..(*note(1)).clone() });
        let kept = compressor.compress(Arc::clone(&noted));
        assert!(matches!(kept, Compressed::Whole(_)));
        assert_eq!(kept.decompress(), Some(noted));
    }

    #[test]
    fn a_known_object_is_not_compressed_again() {
        let mut compressor = Compressor::default();
        let aside = Arc::new(Note { aside: Some("never on the wire".into()), ..(*note(3)).clone() });
        let known: Vec<_> =
            [note(1), note(2), Arc::clone(&aside)].map(|note| Arc::new(compressor.compress(note))).to_vec();
        for (number, object) in [note(1), note(2), aside].into_iter().enumerate() {
            assert!(Arc::ptr_eq(&compressor.compress_unless_known(object, &known), &known[number]));
        }
        // Its bytes are those of the known one, but it is another object.
        let other = compressor.compress_unless_known(note(3), &known);
        assert_eq!(other.decompress(), Some(note(3)));
    }

    #[test]
    fn the_same_object_is_compressed_in_the_same_way() {
        let mut compressor = Compressor::default();
        let first = compressor.compress(note(1));
        assert_eq!(first, compressor.compress(note(1)));
        assert_ne!(first, compressor.compress(note(2)));
    }
}
