//! Buffers for bodies and values, shared by all targets: between two scrapes a target holds none.

use parking_lot::Mutex;

/// A small stock of buffers. What is not taken back is simply freed.
#[derive(Debug)]
pub(super) struct Buffers<T> {
    free: Mutex<Vec<Vec<T>>>,
    most: usize,
}

impl<T> Buffers<T> {
    /// Keeps up to `most` buffers.
    pub(super) fn new(most: usize) -> Self {
        Self { free: Mutex::default(), most }
    }

    /// An empty buffer with room for `capacity`.
    pub(super) fn take(&self, capacity: usize) -> Vec<T> {
        let mut buffer = self.free.lock().pop().unwrap_or_default();
        buffer.reserve(capacity);
        buffer
    }

    /// Takes a buffer back, unless it is so large that one odd target would hold memory for all.
    pub(super) fn put(&self, mut buffer: Vec<T>) {
        buffer.clear();
        let mut free = self.free.lock();
        if buffer.capacity() * size_of::<T>() <= LARGEST_KEPT && free.len() < self.most {
            free.push(buffer);
        }
    }
}

const LARGEST_KEPT: usize = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_are_used_again_but_not_hoarded() {
        let buffers = Buffers::<u8>::new(2);
        (0..3).for_each(|_| buffers.put(Vec::with_capacity(1000)));
        assert_eq!(buffers.free.lock().len(), 2);
        assert!(buffers.take(10).capacity() >= 1000);
        buffers.put(Vec::with_capacity(LARGEST_KEPT + 1));
        assert_eq!(buffers.free.lock().len(), 1);
    }
}
