//! Link of a batch to the one before it: by it, recovery notices a missing batch.

/// Key of the [`Link`] in each batch. No name can equal it, because names are UTF-8.
pub(crate) const LINK: &[u8] = b"\xffnewest";

/// Position of a batch in the chain, stored in the batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Link {
    /// Number of the batch's newest write.
    pub(crate) newest: u64,
    /// Number of the newest write of the preceding batch in the journals.
    pub(crate) previous: u64,
}

impl Link {
    pub(crate) fn encode(self) -> [u8; 16] {
        let mut bytes = [0; 16];
        let (newest, previous) = bytes.split_at_mut(8);
        newest.copy_from_slice(&self.newest.to_be_bytes());
        previous.copy_from_slice(&self.previous.to_be_bytes());
        bytes
    }

    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let (newest, rest) = bytes.split_first_chunk()?;
        let previous = u64::from_be_bytes(rest.try_into().ok()?);
        Some(Self { newest: u64::from_be_bytes(*newest), previous })
    }
}
