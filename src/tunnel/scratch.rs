//! One read buffer per thread, shared by its tunnels, so that idle ones pin none.

use std::cell::Cell;

/// A read of this size costs few system calls at full speed and still fits a level-2 cache.
const SIZE: usize = 256 * 1024;

thread_local! {
    static SCRATCH: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Lends the thread's buffer to `f`. A second loan inside the first gets a buffer of its own.
pub(super) fn with<T>(f: impl FnOnce(&mut [u8]) -> T) -> T {
    let mut buffer = SCRATCH.take();
    if buffer.is_empty() {
        buffer = vec![0; SIZE];
    }
    let result = f(&mut buffer);
    SCRATCH.set(buffer);
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loan_inside_a_loan_is_another_buffer() {
        with(|outer| {
            outer[0] = 1;
            with(|inner| inner[0] = 2);
            assert_eq!(outer[0], 1);
        });
    }
}
