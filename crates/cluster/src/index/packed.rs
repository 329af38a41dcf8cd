//! Packed objects, for an index that holds many objects and rarely reads most of them.
//!
//! Objects of one type share much of their text: field names, conditions and messages, volume
//! mounts. A dictionary holds the content of a few samples of the type. Each packed object stores
//! only its difference from the dictionary (LZ4).

use std::marker::PhantomData;
use std::sync::Arc;

use lz4_flex::block::{compress_prepend_size_with_dict, decompress_size_prepended_with_dict};
use tracing::error;

use super::bytes::Bytes;

/// Most samples of a dictionary. A full dictionary no longer changes, so packed objects refer to at
/// most this many versions of it.
const SAMPLES: usize = 16;
/// Longest dictionary, in bytes: LZ4 reads all of it for each object.
const LENGTH: usize = 32 * 1024;

/// An object, packed or not.
#[derive(Debug)]
pub(crate) enum Kept<T> {
    /// The object itself. One that would not survive the round trip, because a field is set that is
    /// never serialized, is never packed.
    Plain(Arc<T>),
    /// The difference from the dictionary.
    Packed { bytes: Box<[u8]>, dictionary: Arc<Vec<u8>> },
}

impl<T: Bytes> Kept<T> {
    /// The object. Never `None`: packing has checked that these bytes can be read.
    pub(crate) fn get(&self) -> Option<Arc<T>> {
        match self {
            Self::Plain(object) => Some(Arc::clone(object)),
            Self::Packed { bytes, dictionary } => unpack(bytes, dictionary).map(Arc::new).or_else(|| {
                error!(kind = std::any::type_name::<T>(), "a packed object cannot be read again");
                None
            }),
        }
    }

    /// The object. `keep`: whether it stays unpacked.
    pub(crate) fn look(&mut self, keep: bool) -> Option<Arc<T>> {
        let object = self.get()?;
        if keep {
            *self = Self::Plain(Arc::clone(&object));
        }
        Some(object)
    }

    /// Packs the object.
    pub(crate) fn pack(&mut self, packer: &mut Packer<T>) {
        let Self::Plain(object) = self else { return };
        let Some(plain) = object.to_bytes() else { return };
        let bytes = packer.pack(&plain);
        if unpack(&bytes, &packer.dictionary).is_some_and(|unpacked: T| unpacked == **object) {
            *self = Self::Packed { bytes: bytes.into_boxed_slice(), dictionary: Arc::clone(&packer.dictionary) };
        }
    }
}

fn unpack<T: Bytes>(bytes: &[u8], dictionary: &[u8]) -> Option<T> {
    T::from_bytes(&decompress_size_prepended_with_dict(bytes, dictionary).ok()?)
}

/// Packs the objects of one type.
pub(crate) struct Packer<T> {
    dictionary: Arc<Vec<u8>>,
    samples: usize,
    of: PhantomData<fn() -> T>,
}

impl<T> Default for Packer<T> {
    fn default() -> Self {
        Self { dictionary: Arc::default(), samples: 0, of: PhantomData }
    }
}

impl<T> Packer<T> {
    fn pack(&mut self, plain: &[u8]) -> Vec<u8> {
        let bytes = compress_prepend_size_with_dict(plain, &self.dictionary);
        if bytes.len() > plain.len() / 2 && self.learn(plain) {
            return compress_prepend_size_with_dict(plain, &self.dictionary);
        }
        bytes
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

#[cfg(test)]
mod tests {
    use serde::{Deserialize, Serialize};

    use super::*;

    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    struct Note {
        title: String,
        text: String,
        #[serde(skip)]
        aside: Option<String>,
    }

    impl Bytes for Note {
        fn to_bytes(&self) -> Option<Vec<u8>> {
            rmp_serde::to_vec_named(self).ok()
        }

        fn from_bytes(bytes: &[u8]) -> Option<Self> {
            rmp_serde::from_slice(bytes).ok()
        }
    }

    fn note(number: usize) -> Note {
        let text = "what all of them say, at some length, and in the same words each time".to_owned();
        Note { title: format!("note {number}"), text, aside: None }
    }

    /// A note that shares no text with the others.
    fn odd_one(number: u64) -> Note {
        let mut state = number + 1;
        let letter = |_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            char::from(b'!' + u8::try_from((state >> 33) % 90).unwrap())
        };
        Note { title: String::new(), text: (0..400).map(letter).collect(), aside: None }
    }

    fn packed(packer: &mut Packer<Note>, note: Note) -> Kept<Note> {
        let mut kept = Kept::Plain(Arc::new(note));
        kept.pack(packer);
        kept
    }

    fn size(kept: &Kept<Note>) -> usize {
        let Kept::Packed { bytes, .. } = kept else { panic!("{kept:?}") };
        bytes.len()
    }

    #[test]
    fn of_alike_objects_only_the_difference_is_kept() {
        let mut packer = Packer::default();
        let kept: Vec<_> = (0..100).map(|number| packed(&mut packer, note(number))).collect();
        assert!(kept.iter().all(|it| size(it) < 30), "{kept:?}");
        for (number, kept) in kept.iter().enumerate() {
            assert_eq!(kept.get().as_deref(), Some(&note(number)));
        }
    }

    #[test]
    fn a_dictionary_takes_few_samples_and_what_is_unlike_all_of_them_comes_out_as_well() {
        let mut packer = Packer::default();
        let kept: Vec<_> = (0..200).map(|number| packed(&mut packer, odd_one(number))).collect();
        assert_eq!(packer.samples, SAMPLES);
        for (number, kept) in (0..).zip(&kept) {
            assert_eq!(kept.get().as_deref(), Some(&odd_one(number)));
        }
        let huge = Note { text: "x".repeat(2 * LENGTH), ..note(1) };
        assert_eq!(packed(&mut packer, huge.clone()).get().as_deref(), Some(&huge));
    }

    #[test]
    fn what_would_not_survive_the_round_trip_is_never_packed() {
        let noted = Note { aside: Some("never on the wire".into()), ..note(1) };
        let kept = packed(&mut Packer::default(), noted.clone());
        assert!(matches!(kept, Kept::Plain(_)));
        assert_eq!(kept.get().as_deref(), Some(&noted));
    }

    #[test]
    fn an_object_that_is_unpacked_stays_so_until_it_is_packed_again() {
        let mut packer = Packer::default();
        let mut kept = packed(&mut packer, note(1));
        assert_eq!(kept.look(false).as_deref(), Some(&note(1)));
        assert!(matches!(kept, Kept::Packed { .. }));
        assert_eq!(kept.look(true).as_deref(), Some(&note(1)));
        assert!(matches!(kept, Kept::Plain(_)));
        kept.pack(&mut packer);
        assert!(matches!(kept, Kept::Packed { .. }));
    }
}
