//! Disjoint sets: which items have been joined, directly or through others.

/// Sets of the items 0, 1, …; each set has one of its items as its root.
#[derive(Debug, Clone)]
pub(crate) struct Sets {
    parent: Vec<usize>,
}

impl Sets {
    /// Each of `n` items alone.
    pub(crate) fn new(n: usize) -> Self {
        Self { parent: (0..n).collect() }
    }

    /// The root of the set of an item; paths are halved on the way.
    pub(crate) fn root(&mut self, mut item: usize) -> usize {
        while self.parent[item] != item {
            self.parent[item] = self.parent[self.parent[item]];
            item = self.parent[item];
        }
        item
    }

    /// Joins the sets of two items; whether they were two.
    pub(crate) fn join(&mut self, a: usize, b: usize) -> bool {
        let (a, b) = (self.root(a), self.root(b));
        self.parent[a] = b;
        a != b
    }

    /// Puts a root, and with it its set, under another root.
    pub(crate) fn put_under(&mut self, root: usize, above: usize) {
        self.parent[root] = above;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_that_are_joined_share_a_root() {
        let mut sets = Sets::new(6);
        assert!(sets.join(0, 1) && sets.join(2, 3) && sets.join(1, 3), "each joins two sets");
        assert!(!sets.join(0, 2), "one already");
        let roots: Vec<usize> = (0..6).map(|i| sets.root(i)).collect();
        assert!(roots[..4].iter().all(|r| *r == roots[0]), "{roots:?}");
        assert_eq!((roots[4], roots[5]), (4, 5));
        sets.put_under(4, 5);
        assert_eq!(sets.root(4), 5);
    }
}
