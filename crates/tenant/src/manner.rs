//! How a change treats what it does not name, and lists.

/// Of a PUT.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Manner {
    /// Members left out stay as they are.
    pub is_partial: bool,
    /// Lists are added to.
    pub is_incremental: bool,
}

impl Manner {
    /// Everything is replaced.
    pub const WHOLE: Self = Self { is_partial: false, is_incremental: false };
    /// Only what is named changes; lists that are named are replaced.
    pub const PARTIAL: Self = Self { is_partial: true, is_incremental: false };
    /// Only what is named changes; lists are added to.
    pub const ADDING: Self = Self { is_partial: true, is_incremental: true };

    pub(crate) fn keeps(self) -> bool {
        self.is_partial || self.is_incremental
    }

    /// A list after a change: replaced, added to, or kept.
    pub(crate) fn merged<T>(
        self,
        current: Vec<T>,
        given: Option<Vec<T>>,
        is_same: impl Fn(&T, &T) -> bool,
    ) -> Vec<T> {
        match given {
            None if self.keeps() => current,
            None => Vec::new(),
            Some(given) if self.is_incremental => {
                let is_kept = |old: &T| !given.iter().any(|new| is_same(old, new));
                let kept: Vec<_> = current.into_iter().filter(is_kept).collect();
                kept.into_iter().chain(given).collect()
            }
            Some(given) => given,
        }
    }
}
