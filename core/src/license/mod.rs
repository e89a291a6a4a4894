//! Licensing.

pub mod keys;

use crate::{
    auth::Inner,
    error::{Code, Result},
    options::Options,
    store::Reader,
};

/// stub
#[derive(Clone, Copy, Debug)]
pub struct License<'a> {
    #[allow(dead_code)]
    pub(crate) inner: &'a Inner,
}
#[derive(Debug)]
pub(crate) struct LicenseHalf;
#[allow(clippy::unused_self, clippy::unnecessary_wraps)]
impl LicenseHalf {
    pub(crate) fn new(_: &Options) -> Result<Self> {
        Ok(Self)
    }
    pub(crate) fn reload(&self, _: &dyn Reader) -> Result<()> {
        Ok(())
    }
    pub(crate) fn gate(&self, _: &str, _: i64) -> Result<(), Code> {
        Ok(())
    }
}
