//! What a restart writes into the pod template.

/// The value of the template annotation [`podidentity_api::names::IDENTITY_ANNOTATION`]: the
/// identity that the workload was restarted for, the round, and the attempt. Written as `HASH`,
/// `HASH.ROUND`, `HASH-ATTEMPT` or `HASH.ROUND-ATTEMPT`.
///
/// A new round begins when the same identity is wanted again after something other than the
/// operator gave pods another one. Without a new round the value would stay the same, and nothing
/// would restart. A new attempt is another restart because injection missed pods.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RestartMark {
    /// Hash of the identity.
    pub hash: String,
    /// The round, from 0.
    pub round: u32,
    /// The attempt within the round, from 0.
    pub attempt: u32,
}

impl RestartMark {
    /// The mark of the first restart for an identity.
    pub fn first(hash: String) -> Self {
        Self { hash, round: 0, attempt: 0 }
    }

    /// Parses the annotation. `None` for a value that the operator did not write, and for a number
    /// that the operator never reaches, so that the number after a parsed one can always be
    /// written.
    pub fn parse(text: &str) -> Option<Self> {
        let number = |text: &str| text.parse::<u16>().ok().map(u32::from);
        let (rest, attempt) = text.rsplit_once('-').map_or(Some((text, 0)), |(rest, n)| Some((rest, number(n)?)))?;
        let (hash, round) = rest.split_once('.').map_or(Some((rest, 0)), |(hash, n)| Some((hash, number(n)?)))?;
        let is_hash = !hash.is_empty() && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
        is_hash.then(|| Self { hash: hash.to_owned(), round, attempt })
    }

    /// Whether the annotation is the mark of a restart for the identity of this hash.
    pub fn is_for(text: &str, hash: &str) -> bool {
        Self::parse(text).is_some_and(|mark| mark.hash == hash)
    }
}

impl std::fmt::Display for RestartMark {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.hash)?;
        if self.round > 0 {
            write!(f, ".{}", self.round)?;
        }
        if self.attempt > 0 {
            write!(f, "-{}", self.attempt)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_reads_as_it_is_written() {
        for text in ["0a1b2c3d4e", "0a1b2c3d4e-2", "0a1b2c3d4e.1", "0a1b2c3d4e.3-2"] {
            assert_eq!(RestartMark::parse(text).unwrap().to_string(), text);
        }
        for text in ["", "hello", "0a-", "0a.x", "-1", ".1", "0a.4294967295", "0a-4294967295"] {
            assert_eq!(RestartMark::parse(text), None, "{text}");
        }
    }
}
