//! A part of a spec that several forms have.

use leptos::prelude::*;

/// Reads and writes one field of a spec.
pub(super) struct Part<T: Send + Sync + 'static> {
    read: Signal<T>,
    write: SignalSetter<T>,
}

impl<T: Send + Sync + 'static> Clone for Part<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T: Send + Sync + 'static> Copy for Part<T> {}

impl<T: Clone + PartialEq + Send + Sync + 'static> Part<T> {
    /// The field that `read` copies out and `write` puts back.
    pub(super) fn of<S: Send + Sync + 'static>(spec: RwSignal<S>, read: fn(&S) -> T, write: fn(&mut S, T)) -> Self {
        let (read, write) = create_slice(spec, read, write);
        Self { read, write }
    }

    /// A look at the value, tracked.
    pub(super) fn with<O>(self, look: impl FnOnce(&T) -> O) -> O {
        self.read.with(look)
    }

    /// Puts another value there.
    pub(super) fn set(self, value: T) {
        self.write.set(value);
    }

    /// Changes the value.
    pub(super) fn update(self, change: impl FnOnce(&mut T)) {
        let mut value = self.read.get_untracked();
        change(&mut value);
        self.write.set(value);
    }
}
