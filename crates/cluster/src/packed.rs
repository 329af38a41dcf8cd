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

/// A packed object. Clones share what they have packed.
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
