//! An allocator that counts the bytes in use.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// Bytes in use.
static LIVE: AtomicUsize = AtomicUsize::new(0);
/// Most bytes in use since [`start`].
static PEAK: AtomicUsize = AtomicUsize::new(0);

/// Allocations beyond this many bytes in use fail, so that a fault does not take the machine's memory.
const LIMIT: usize = 6 << 30;

pub(crate) struct Counting;

// SAFETY: every call is passed on to the system's allocator; only the counts are kept beside it.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's layout.
        counted(layout.size(), || unsafe { System.alloc(layout) })
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's layout.
        counted(layout.size(), || unsafe { System.alloc_zeroed(layout) })
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Relaxed);
        // SAFETY: the caller's pointer, which the system gave.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let grown = size.saturating_sub(layout.size());
        // SAFETY: the caller's pointer, which the system gave.
        let moved = counted(grown, || unsafe { System.realloc(pointer, layout, size) });
        if !moved.is_null() {
            LIVE.fetch_sub(layout.size().saturating_sub(size), Relaxed);
        }
        moved
    }
}

fn counted(size: usize, allocate: impl FnOnce() -> *mut u8) -> *mut u8 {
    let live = LIVE.fetch_add(size, Relaxed) + size;
    PEAK.fetch_max(live, Relaxed);
    let pointer = if live > LIMIT { std::ptr::null_mut() } else { allocate() };
    if pointer.is_null() {
        LIVE.fetch_sub(size, Relaxed);
    }
    pointer
}

/// Starts a measurement. Returns the bytes in use.
pub(crate) fn start() -> usize {
    let live = LIVE.load(Relaxed);
    PEAK.store(live, Relaxed);
    live
}

/// Most bytes in use since [`start`].
pub(crate) fn peak() -> usize {
    PEAK.load(Relaxed)
}
