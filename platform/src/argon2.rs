//! Argon2 (RFC 9106), by the fastest implementation there is here, in memory of ours.
//!
//! The crate behind it is named in this file alone; `docs/decisions/0018-argon2.md` says why it is this one. Its stable
//! interface hashes in memory of its own, which would be in core dumps and in children; the one used here lends it
//! ours, and is pinned to the version for which it was read. That it computes Argon2 is shown by the tests, against
//! another implementation.
//!
//! Whatever the number of lanes, they are filled by the calling thread: nothing here starts one.

use argon2_rust::{
    __internal::{Block as TheirBlock, Instance, fill_first_blocks, fill_memory_blocks, finalize, initial_hash},
    Algorithm as TheirAlgorithm, Error, Params, Version as TheirVersion,
    params::{Memory, TagLen},
};
use zeroize::{Zeroizing, zeroize_stack};

use crate::memory::{Block, Spare, with_blocks};

/// What a hash leaves on the stack is below this: digests from which guesses can be tested without paying for memory.
const STACK: usize = 16 << 10;

/// Which memory a pass reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// Memory that depends on the secret.
    D,
    /// Memory that does not.
    I,
    /// The first half pass as `I`, the rest as `D`.
    Id,
}

/// The version of Argon2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// 1.0: later passes overwrite.
    V16,
    /// 1.3, that of RFC 9106.
    V19,
}

/// What a hash costs, and which it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parameters {
    /// The algorithm.
    pub algorithm: Algorithm,
    /// The version.
    pub version: Version,
    /// KiB of memory, at least 8 a lane.
    pub memory_kib: u32,
    /// Passes over it, at least 1.
    pub iterations: u32,
    /// Lanes, at least 1.
    pub parallelism: u32,
}

/// What is hashed.
#[derive(Clone, Copy)]
pub struct Inputs<'a> {
    /// The password.
    pub password: &'a [u8],
    /// The salt, at least 8 bytes.
    pub salt: &'a [u8],
    /// The secret (a pepper), or nothing.
    pub secret: &'a [u8],
    /// Associated data, or nothing.
    pub data: &'a [u8],
}

/// Fills `output`, of 4 bytes at least, with the hash; in the memory in `spare`, when that is as large, and leaves it there
/// ([`with_blocks`]). `None` when there is no memory, or when Argon2 does not know such parameters or inputs; `output`
/// is as it was then.
#[must_use]
pub fn hash(parameters: &Parameters, inputs: &Inputs<'_>, spare: &mut Spare, output: &mut [u8]) -> Option<()> {
    let result = compute(parameters, inputs, spare, output, fill_memory_blocks);
    zeroize_stack::<STACK>();
    result
}

#[inline(never)]
fn compute(
    parameters: &Parameters,
    inputs: &Inputs<'_>,
    spare: &mut Spare,
    output: &mut [u8],
    fill: impl FnOnce(&Instance) -> Result<(), Error>,
) -> Option<()> {
    let algorithm = match parameters.algorithm {
        Algorithm::D => TheirAlgorithm::Argon2d,
        Algorithm::I => TheirAlgorithm::Argon2i,
        Algorithm::Id => TheirAlgorithm::Argon2id,
    };
    let version = match parameters.version {
        Version::V16 => TheirVersion::V0x10,
        Version::V19 => TheirVersion::V0x13,
    };
    let Inputs { password, salt, secret, data } = *inputs;
    let params = Params::builder()
        .memory(Memory::kib(parameters.memory_kib.into()))
        .passes(parameters.iterations)
        .lanes(parameters.parallelism)
        .threads(1)
        .tag_len(TagLen::bytes(u64::try_from(output.len()).ok()?))
        .build()
        .ok()?;
    // Of lengths that do not fit in their four bytes, too, of which the steps below would take the rest.
    params.validate_for(password.len(), salt.len(), secret.len(), data.len()).ok()?;
    let count = usize::try_from(params.memory_blocks()).ok()?;
    let in_memory = |blocks: &mut [Block]| {
        let blocks = theirs(blocks);
        let mut seed = Zeroizing::new(initial_hash(algorithm, version, &params, password, salt, secret, data)?);
        fill_first_blocks(&mut seed, blocks, params.lanes(), params.lane_length())?;
        // SAFETY: `count` blocks of theirs, aligned as they are, lent to us alone for longer than this closure, out of
        // which `instance` does not go; `count` is what these parameters say.
        let instance = unsafe { Instance::new(blocks.as_mut_ptr(), blocks.len(), algorithm, version, &params) };
        fill(&instance)?;
        finalize(&instance, output)
    };
    with_blocks(count, spare, in_memory)?.ok()
}

// Blocks of theirs are blocks of ours.
const _: () = assert!(size_of::<TheirBlock>() == Block::SIZE && size_of::<Block>() == Block::SIZE);
const _: () = assert!(align_of::<TheirBlock>() <= align_of::<Block>());

fn theirs(blocks: &mut [Block]) -> &mut [TheirBlock] {
    // SAFETY: both are 128 words without padding, of which any bytes are valid, and theirs is aligned no more strictly.
    unsafe { std::slice::from_raw_parts_mut(blocks.as_mut_ptr().cast::<TheirBlock>(), blocks.len()) }
}

#[cfg(test)]
mod tests;
