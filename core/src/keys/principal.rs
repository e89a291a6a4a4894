//! Who a granted request comes from.

use crate::id::Id;

/// Who a granted request comes from (stub).
#[derive(Debug, Clone, Copy)]
pub struct Principal {
    #[allow(dead_code)]
    pub(crate) id: Id,
}
